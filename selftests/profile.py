#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0
"""Give names to what selftests/profile.c has counted."""
import argparse
import bisect
import sys

# Writes per operation that a function may have for other reasons
SELDOM = 0.2


class Symbols:
    def __init__(self, name):
        found = {}
        with open(name, encoding='utf-8', errors='replace') as lines:
            for line in lines:
                fields = line.split()
                if len(fields) < 3 or fields[1] not in 'tTwW':
                    continue
                module = fields[3] if len(fields) > 3 else ''
                label = f'{fields[2]} {module}'.strip()
                # Of several at one address, the one that says most
                address = int(fields[0], 16)
                old = found.get(address)
                if old is None or old.startswith('__pfx_'):
                    found[address] = label
        self.addresses = sorted(found)
        self.names = [found[a] for a in self.addresses]

    def find(self, address):
        """Name, and whether this is where it begins."""
        if not address:
            return 'user space', False, 0
        i = bisect.bisect_right(self.addresses, address) - 1
        if i < 0:
            return f'{address:x}', False, 0
        offset = address - self.addresses[i]
        return self.names[i], not offset, offset


def read(name):
    runs = []
    with open(name, encoding='ascii') as lines:
        for line in lines:
            fields = line.split()
            if fields[0] == 'run':
                runs.append([])
            else:
                runs[-1].append(fields)
    return runs


def functions(run, symbols, rounds):
    instructions, calls = {}, {}
    for kind, address, count in run:
        assert kind == 'insn'
        name, first, _ = symbols.find(int(address, 16))
        count = int(count) / rounds
        instructions[name] = instructions.get(name, 0) + count
        if first:
            calls[name] = calls.get(name, 0) + count
    return instructions, calls


def shared(run, symbols, operations):
    """How often each function writes a line that another processor uses.

    A line that others use seldom is not sent to and fro each time that it is
    written: at most twice for each time that they use it.
    """
    used, stores = {}, {}
    for kind, address, cpu, line, _, count in run:
        count = int(count)
        cpus = used.setdefault(line, {})
        cpus[cpu] = cpus.get(cpu, 0) + count
        # Of user space only who else uses the line matters.
        if kind == 'store' and address != '0':
            stores.setdefault(line, []).append((int(address, 16), count))
    result = {}
    for line, writers in stores.items():
        cpus = used[line].values()
        others = sum(cpus) - max(cpus)
        if not others:
            continue
        share = min(1, 2 * others / sum(count for _, count in writers))
        for address, count in writers:
            name, _, _ = symbols.find(address)
            result[name] = result.get(name, 0) + share * count / operations
    return result


def print_shared(runs, symbols, arguments):
    targets = arguments.target
    rows = [(o, w) for o in ('stat', 'open') for w in ('same', 'own')]
    if len(runs) != len(rows) * len(targets):
        sys.exit('profile.py: not all was counted')
    missed = 0
    for i, (operation, where) in enumerate(rows):
        part = runs[i * len(targets):(i + 1) * len(targets)]
        results = [shared(run, symbols, arguments.n) for run in part]
        print(f'{operation}, ' + ('the same file' if where == 'same' else
                                  'files in directories of their own'))
        print(f'  {"writes to shared lines, per operation":46}',
              *(f'{t:>12}' for t in targets))
        # The timer and the scheduler write such lines, too.
        names = {n for r in results for n, v in r.items() if v >= SELDOM}
        sums = [sum(v for v in r.values() if v >= SELDOM) for r in results]
        print(f'  {"all":46}', *(f'{v:12.2f}' for v in sums))
        names = sorted(names, key=lambda n: (-max(r.get(n, 0)
                                                  for r in results), n))
        for name in names[:arguments.l]:
            print(f'  {name:46}', *(
                f'{r[name]:12.2f}' if r.get(name, 0) >= 0.005 else f'{"-":>12}'
                for r in results))
        if len(names) > arguments.l:
            print(f'  ... and {len(names) - arguments.l} more')
        rest = [sum(v for n, v in r.items() if v < SELDOM) for r in results]
        print(f'  {"others, each less than " + str(SELDOM):46}',
              *(f'{v:12.2f}' for v in rest))
        if operation != 'stat':
            continue
        for target, value in zip(targets, sums):
            if value > sums[0] + SELDOM:
                print(f'goal 4 missed: {target}, {operation}, {where} file: '
                      f'{value:.2f} writes to shared lines, {targets[0]} '
                      f'has {sums[0]:.2f}')
                missed += 1
    print(f'{missed} goals missed')
    return 1 if missed else 0


def number(value):
    return f'{value:,.0f}' if value >= 9.95 else \
        f'{value:.1f}' if value >= 0.05 else '-'


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('-n', type=int, default=1, metavar='ROUNDS')
    parser.add_argument('-l', type=int, default=60, metavar='LINES')
    parser.add_argument('-i', metavar='FILE')
    parser.add_argument('-s', action='store_true',
                        help='tell of lines that several processors use')
    parser.add_argument('counts')
    parser.add_argument('symbols')
    parser.add_argument('target', nargs='+')
    arguments = parser.parse_args()

    symbols = Symbols(arguments.symbols)
    runs = read(arguments.counts)
    if arguments.s:
        sys.exit(print_shared(runs, symbols, arguments))
    if len(runs) != len(arguments.target):
        sys.exit('profile.py: not all was counted')
    results = [functions(run, symbols, arguments.n) for run in runs]
    names = set().union(*(r[0] for r in results))
    first, last = results[0][0], results[-1][0]
    def key(name):
        more = last.get(name, 0) - first.get(name, 0)
        return (-round(more) if len(results) > 1 else 0,
                -max(r[0].get(name, 0) for r in results), name)

    width = 20
    print(f'{"":44}', *(f'{t:>{width}}' for t in arguments.target))
    print(f'{"instructions and calls, per operation":44}')
    shown = sorted(names, key=key)
    print(f'{"all":44}', *(f'{number(sum(r[0].values())):>12}{"":8}'
                          for r in results))
    lines = 0
    for name in shown:
        if max(r[0].get(name, 0) for r in results) < 0.5:
            continue
        lines += 1
        if lines > arguments.l:
            break
        print(f'{name:44}', *(
            f'{number(r[0].get(name, 0)):>12}{number(r[1].get(name, 0)):>8}'
            for r in results))
    if arguments.i:
        with open(arguments.i, 'w', encoding='utf-8') as file:
            each = {}
            for _, address, count in runs[-1]:
                address = int(address, 16)
                each[address] = each.get(address, 0) + int(count)
            for address in sorted(each):
                name, _, offset = symbols.find(address)
                file.write(f'{address:x} {name}+{offset:#x} '
                           f'{each[address] / arguments.n:.2f}\n')


main()
