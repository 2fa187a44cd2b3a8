#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Make a table of what selftests/bench.sh -r has measured, and judge it.

Goal 1: a plain link to a directory costs at most 1.03 times a bind mount, and so
does a native one to a file.
Goal 2: any other costs at most half of what overlayfs costs above native, or
1.03 times native where that is less. Links are compared with overlayfs over a
lower directory, merged ones with that over both. What is written in a merged
directory is new there, with overlayfs in the upper directory.
"""
import argparse
import json
import os
import sys

OPERATIONS = {
    'stat1': 'stat, 1 below the root',
    'stat4': 'stat, 4 below',
    'stat8': 'stat, 8 below',
    'enoent4': 'stat ENOENT, 4 below',
    'fstat': 'fstat',
    'access': 'access(W_OK)',
    'open': 'open + close',
    'open-first': 'open + close, first time',
    'open-read': 'open + read 4 KiB + close',
    'pread': 'pread 4 KiB',
    'pwrite': 'pwrite 4 KiB',
    'readdir': 'readdir of 1,000',
    'create': 'create + unlink',
    'rename': 'rename',
    'cold8': 'stat, 8 below, cold dcache',
}
WRITES = ('pwrite', 'create', 'rename')
# What is told beside the goals
NO_GOAL = ('open-first',)

# As they are shown, beside each other
GROUPS = (
    ('Peers', ('symlink', 'bind', 'overlay-lower', 'bindfs', 'mergerfs')),
    ('overlayfs, merged', ('overlay-merged', 'overlay-merged-orig',
                           'overlay-merged-only')),
    ('Plain links', ('plain', 'parent', 'chained', 'file-native')),
    ('Other links', ('read-only', 'exception', 'nested', 'sibling', 'file')),
    ('Merged links', ('merged', 'merged-orig', 'merged-only', 'merged-ro')),
)
PLAIN = ('plain', 'parent', 'chained', 'file-native')
# With what they are compared
OVERLAY = {
    'read-only': 'overlay-lower',
    'exception': 'overlay-lower',
    'nested': 'overlay-lower',
    'sibling': 'overlay-lower',
    'file': 'overlay-lower',
    'merged': 'overlay-merged',
    'merged-orig': 'overlay-merged-orig',
    'merged-only': 'overlay-merged-only',
    'merged-ro': 'overlay-merged',
}
TOLERANCE = 1.03


def read(name):
    costs, targets = {}, []
    with open(name, encoding='ascii') as lines:
        for line in lines:
            target, operation, cost = line.split()
            row = costs.setdefault(operation, {})
            # What was measured several times is as cheap as it can be.
            row[target] = min(float(cost), row.get(target, float('inf')))
            if target not in targets:
                targets.append(target)
    order = list(OPERATIONS)
    return dict(sorted(costs.items(), key=lambda x: order.index(x[0]))), targets


def limit(costs, operation, target):
    """What it may cost and why, or None if that is not known."""
    row = costs[operation]
    if operation in NO_GOAL:
        return None
    if target in PLAIN:
        if 'bind' not in row:
            return None
        return TOLERANCE * row['bind'], f'{TOLERANCE} times bind'
    peer = OVERLAY.get(target)
    if operation in WRITES and peer and peer.startswith('overlay-merged'):
        peer = 'overlay-merged'
    if peer not in row or 'native' not in row:
        return None
    half = 1 + (row[peer] / row['native'] - 1) / 2
    if half <= TOLERANCE:
        return TOLERANCE * row['native'], f'{TOLERANCE} times native'
    return half * row['native'], \
        f'half of what {peer} has above native, {half:.3f}'


def judge(costs):
    """All goals, and those that are missed."""
    count, missed = 0, []
    for operation, row in costs.items():
        for target, cost in row.items():
            bound = limit(costs, operation, target)
            if not bound:
                continue
            count += 1
            if cost > bound[0]:
                missed.append({
                    'goal': 1 if target in PLAIN else 2,
                    'target': target,
                    'operation': operation,
                    'cost': round(cost),
                    'limit': round(bound[0]),
                    'why': bound[1],
                })
    missed.sort(key=lambda m: m['goal'])
    return count, missed


def cell(row, target):
    if target not in row:
        return 'n/a'
    text = f'{row[target]:,.0f}'
    if 'native' in row and target != 'native':
        text += f' {row[target] / row["native"]:6.2f}'
    return text


def shown(targets):
    """The groups, of what was measured."""
    for title, group in GROUPS:
        some = [target for target in group if target in targets]
        if some:
            yield title, some


def print_table(costs, targets):
    for title, group in shown(targets) or [('', [])]:
        columns = (['native'] if 'native' in targets else []) + group
        print(f'\n{title}')
        print(f'{"":26}', *(f'{c:>18}' for c in columns))
        for operation, row in costs.items():
            print(f'{OPERATIONS[operation]:26}',
                  *(f'{cell(row, c):>18}' for c in columns))


def markdown(costs, targets):
    for title, group in shown(targets):
        yield f'### {title}\n'
        yield '| operation | native | ' + ' | '.join(group) + ' |'
        yield '|---|' + '---:|' * (len(group) + 1)
        for operation, row in costs.items():
            yield f'| {OPERATIONS[operation]} | {row["native"]:,.0f} | ' + \
                ' | '.join(f'{row[c] / row["native"]:.2f}' if c in row
                           else 'n/a' for c in group) + ' |'
        yield ''


def write_markdown(costs, targets, missed, name):
    """Replace what is between the two marks."""
    begin, end = '<!-- begin of what make bench writes -->\n', \
        '<!-- end of what make bench writes -->\n'
    with open(name, encoding='utf-8') as file:
        text = file.read()
    before, _, rest = text.partition(begin)
    _, mark, after = rest.partition(end)
    if not mark:
        sys.exit(f'bench.py: {name} has no place for the table')
    table = list(markdown(costs, targets))
    if missed:
        table += ['Goals that are missed:\n',
                  '| goal | link | operation | cost | limit | which is |',
                  '|---|---|---|---:|---:|---|']
        table += [f'| {m["goal"]} | {m["target"]} | '
                  f'{OPERATIONS[m["operation"]]} | {m["cost"]:,} | '
                  f'{m["limit"]:,} | {m["why"]} |' for m in missed]
    else:
        table += ['No goal is missed.']
    with open(name, 'w', encoding='utf-8') as file:
        file.write(before + begin + '\n'.join(table) + '\n' + end + after)


def write_json(costs, targets, missed, kernel, name):
    with open(name, 'w', encoding='ascii') as file:
        json.dump({
            'unit': 'guest instructions per operation',
            'kernel': kernel,
            'operations': {o: OPERATIONS[o] for o in costs},
            'targets': targets,
            'cost': {o: {t: round(c) for t, c in row.items()}
                     for o, row in costs.items()},
            'ratio': {o: {t: round(c / row['native'], 3)
                          for t, c in row.items()}
                      for o, row in costs.items()},
            'missed': missed,
        }, file, indent=1)
        file.write('\n')


def write_chart(costs, targets, name):
    # pylint: disable=import-outside-toplevel
    import matplotlib
    matplotlib.use('svg')
    # The same file each time
    matplotlib.rcParams['svg.hashsalt'] = 'bindlink'
    matplotlib.rcParams['font.family'] = 'DejaVu Sans'
    from matplotlib import pyplot, ticker

    charts = (
        ('Links', ('bind', 'overlay-lower', 'bindfs', 'mergerfs', 'plain',
                   'parent', 'chained', 'file-native', 'read-only',
                   'exception', 'nested', 'sibling', 'file')),
        ('Merged', ('overlay-merged', 'overlay-merged-orig', 'mergerfs',
                    'merged', 'merged-orig', 'merged-only', 'merged-ro')),
    )
    peers = {'bind': '#555555', 'overlay-lower': '#d62728', 'bindfs': '#e8a0a0',
             'mergerfs': '#f4cccc', 'overlay-merged': '#d62728',
             'overlay-merged-orig': '#e88080'}
    figure, axes = pyplot.subplots(2, 1, figsize=(15, 12))
    for axis, (title, group) in zip(axes, charts):
        group = [target for target in group if target in targets]
        links = [target for target in group if target not in peers]
        colours = dict(zip(links, pyplot.cm.viridis(
            [0.15 + 0.8 * i / max(len(links) - 1, 1)
             for i in range(len(links))])))
        width = 0.85 / max(len(group), 1)
        for i, target in enumerate(group):
            places, heights = [], []
            for j, row in enumerate(costs.values()):
                if target in row:
                    places.append(j - 0.425 + (i + 0.5) * width)
                    heights.append(max(row[target] / row['native'], 1) - 1)
            axis.bar(places, heights, width, bottom=1, label=target,
                     color=peers.get(target, colours.get(target)))
        axis.set_yscale('log')
        axis.set_ylim(bottom=1)
        axis.yaxis.set_major_locator(ticker.FixedLocator(
            [1, 1.2, 1.5, 2, 3, 5, 10, 20, 50]))
        axis.yaxis.set_major_formatter(ticker.FormatStrFormatter('%g'))
        axis.yaxis.set_minor_locator(ticker.NullLocator())
        axis.grid(axis='y', linewidth=0.5)
        axis.set_axisbelow(True)
        axis.set_xticks(range(len(costs)), [
            OPERATIONS[o].replace(', ', ',\n').replace(' + ', ' +\n')
            for o in costs], fontsize=8)
        axis.set_title(title)
        axis.set_ylabel('instructions, as a multiple of native')
        axis.legend(fontsize=8, ncol=2)
    figure.tight_layout()
    figure.savefig(name, metadata={'Date': None, 'Creator': None})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('-q', action='store_true',
                        help='only show goals, do not fail')
    parser.add_argument('-w', metavar='DIR',
                        help='write performance.json, performance.svg and, '
                        'if it is there, the table in performance.md')
    parser.add_argument('-k', metavar='RELEASE', default='', help='the kernel')
    parser.add_argument('file', help='what bench.sh -r has printed')
    arguments = parser.parse_args()

    costs, targets = read(arguments.file)
    if not costs:
        sys.exit('bench.py: nothing was measured')
    count, missed = judge(costs)
    print_table(costs, targets)
    print()
    for m in missed:
        print(f'goal {m["goal"]} missed: {m["target"]}, '
              f'{OPERATIONS[m["operation"]]}: {m["cost"]:,}, may be '
              f'{m["limit"]:,} ({m["why"]})')
    if count:
        print(f'{count} goals, {len(missed)} missed')
    if arguments.w:
        folder = arguments.w
        write_json(costs, targets, missed, arguments.k,
                   os.path.join(folder, 'performance.json'))
        write_chart(costs, targets, os.path.join(folder, 'performance.svg'))
        if os.path.exists(os.path.join(folder, 'performance.md')):
            write_markdown(costs, targets, missed,
                           os.path.join(folder, 'performance.md'))
    if missed and not arguments.q:
        sys.exit(1)


main()
