// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bindlinkctl: the bind links of this system. All that it does libbindlink
 * does; here are only words.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "output.h"

/* EXIT_SUCCESS, EXIT_FAILURE for what is refused or fails, and: */
#define EXIT_USAGE	2

struct arguments {
	bool json;
	struct bindlink_create_options create;
	const char **exceptions;
	char **operands;
	int count;
};

enum {
	OPTION_READ_ONLY = 256,
	OPTION_MERGE,
	OPTION_EXCEPTION,
	OPTION_ATTACH,
	OPTION_NATIVE,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
};

static const struct option create_options[] = {
	{ "read-only", no_argument, NULL, OPTION_READ_ONLY },
	{ "merge", no_argument, NULL, OPTION_MERGE },
	{ "exception", required_argument, NULL, OPTION_EXCEPTION },
	{ "attach", required_argument, NULL, OPTION_ATTACH },
	{ "native", no_argument, NULL, OPTION_NATIVE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ }
};

static const struct option other_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ }
};

static const struct option global_options[] = {
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ }
};

static const char usage[] =
"Usage: bindlinkctl create [OPTION]... VIRTUAL BACKING\n"
"       bindlinkctl remove VIRTUAL...\n"
"       bindlinkctl list\n"
"       bindlinkctl show VIRTUAL\n"
"       bindlinkctl resolve PATH\n"
"       bindlinkctl monitor\n"
"       bindlinkctl help | version\n"
"\n"
"Make, remove, list and watch bind links. A bind link makes the path VIRTUAL\n"
"show what is at the path BACKING, for the whole system.\n"
"\n"
"  create   make a link\n"
"  remove   remove links\n"
"  list     list all links\n"
"  show     show all about one link, and which real path is used now\n"
"  resolve  show which link applies to a path, and which real path is used now\n"
"  monitor  print links as they are made and removed, until interrupted\n"
"\n"
"Options of create:\n"
"  --read-only                nothing in BACKING can be changed through the link\n"
"  --merge                    show the directory BACKING over that at VIRTUAL;\n"
"                             new things are made in BACKING\n"
"  --exception PATH           leave PATH, which is below VIRTUAL, alone; can be\n"
"                             given more than once\n"
"  --attach auto|path|parent  what carries the link: VIRTUAL itself, whose name\n"
"                             then can be neither removed nor renamed (EBUSY),\n"
"                             or its parent directory. If this is not given it\n"
"                             is auto: VIRTUAL if it exists and is a directory\n"
"                             or not, as BACKING is; else the parent. What is\n"
"                             part of a link already needs neither.\n"
"  --native                   where BACKING is a file let the kernel mount it at\n"
"                             VIRTUAL, as it does with a directory anyway, so\n"
"                             that the link costs next to nothing; not with\n"
"                             --read-only, --merge or --exception\n"
"Options of all:\n"
"  --json                     print JSON, and errors as JSON too\n"
"  --help                     print this\n"
"  --version                  print the version\n"
"\n"
"The exit status is 0, or 1 if something was refused or failed, or 2 if the\n"
"command line makes no sense.\n";

static struct bindlink *handle;

static int fail(const struct arguments *arguments, int error, const char *path)
{
	report(arguments->json, error, path, bindlink_message(handle));
	return EXIT_FAILURE;
}

static int misuse(const char *command, const char *reason, const char *argument)
{
	fprintf(stderr, PROGRAM ": %s%s%s", command ? command : "",
		command ? ": " : "", reason);
	if (argument) {
		fputs(": ", stderr);
		put_escaped(stderr, argument);
	}
	fputs(" (see bindlinkctl --help)\n", stderr);
	return EXIT_USAGE;
}

static int print_usage(void)
{
	fputs(usage, stdout);
	return finish_output(false) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int print_version(void)
{
	printf(PROGRAM " %s\n", bindlink_version());
	return finish_output(false) ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int run_create(const struct arguments *arguments)
{
	char **paths = arguments->operands;
	int error = bindlink_create_opts(handle, paths[0], paths[1],
					 &arguments->create);

	return error ? fail(arguments, error, paths[0]) : EXIT_SUCCESS;
}

/* One that cannot be removed does not keep the others from it. */
static int run_remove(const struct arguments *arguments)
{
	int status = EXIT_SUCCESS;

	for (int i = 0; i < arguments->count; i++) {
		int error = bindlink_remove(handle, arguments->operands[i]);

		if (error)
			status = fail(arguments, error, arguments->operands[i]);
	}
	return status;
}

/* A cell of a table and the space up to the next column. */
static void put_cell(const char *text, size_t column)
{
	put_escaped(stdout, text);
	printf("%*s", (int)(column - escaped_width(text)) + 2, "");
}

static void widen(size_t *column, const char *text)
{
	size_t width = escaped_width(text);

	if (width > *column)
		*column = width;
}

static void print_table(const struct bindlink_link **links, size_t count)
{
	size_t virtual = strlen("VIRTUAL"), backing = strlen("BACKING");
	size_t flags = strlen("FLAGS");
	char text[FLAGS_TEXT_SIZE];

	for (size_t i = 0; i < count; i++) {
		widen(&virtual, bindlink_link_virtual(links[i]));
		widen(&backing, bindlink_link_backing(links[i]));
		widen(&flags, flags_text(bindlink_link_flags(links[i]), "-",
					 text));
	}

	put_cell("VIRTUAL", virtual);
	put_cell("BACKING", backing);
	put_cell("FLAGS", flags);
	puts("CARRIER");
	for (size_t i = 0; i < count; i++) {
		put_cell(bindlink_link_virtual(links[i]), virtual);
		put_cell(bindlink_link_backing(links[i]), backing);
		put_cell(flags_text(bindlink_link_flags(links[i]), "-", text),
			 flags);
		puts(carrier_name(bindlink_link_carrier(links[i])));
	}
}

/* All links of a list, which is as long as the list is. */
static int collect(struct bindlink_iterator *list,
		   const struct bindlink_link ***links, size_t *count)
{
	const struct bindlink_link *link, **more;
	size_t room = 0;

	*links = NULL;
	*count = 0;
	while ((link = bindlink_iterator_next(list))) {
		if (*count == room) {
			room = room ? room * 2 : 64;
			more = reallocarray(*links, room, sizeof(*more));
			if (!more) {
				free(*links);
				return -ENOMEM;
			}
			*links = more;
		}
		(*links)[(*count)++] = link;
	}
	return 0;
}

static int run_list(const struct arguments *arguments)
{
	const struct bindlink_link **links;
	struct bindlink_iterator *list;
	size_t count;
	int error;

	error = bindlink_list(handle, &list);
	if (error)
		return fail(arguments, error, NULL);
	error = collect(list, &links, &count);
	if (error) {
		bindlink_iterator_free(list);
		report(arguments->json, error, NULL, "");
		return EXIT_FAILURE;
	}

	if (arguments->json)
		put_json(stdout, json_links(links, count));
	else if (count)
		print_table(links, count);
	free(links);
	bindlink_iterator_free(list);
	return EXIT_SUCCESS;
}

static void print_field(const char *name, const char *value)
{
	printf("%s: ", name);
	put_escaped(stdout, value);
	putchar('\n');
}

static void print_arrow(const char *word, const struct bindlink_link *link)
{
	printf("%s ", word);
	put_escaped(stdout, bindlink_link_virtual(link));
	fputs(" -> ", stdout);
	put_escaped(stdout, bindlink_link_backing(link));
	putchar('\n');
}

/*
 * Where following leads: the links on the way, but the first, which has been
 * told; then the real path, or why there is none.
 */
static void print_way(const struct bindlink_resolution *resolution)
{
	const char *real = bindlink_resolution_real_path(resolution);
	int error = -bindlink_resolution_error(resolution);
	const char *name = strerrorname_np(error);

	for (size_t i = 1; i < bindlink_resolution_via_count(resolution); i++)
		print_field("via", bindlink_resolution_via(resolution, i));
	if (real)
		print_field("real path", real);
	if (error && name)
		printf("error: %s (%s)\n", strerror(error), name);
	else if (error)
		printf("error: %s\n", strerror(error));
}

static void print_link(const struct bindlink_link *link,
		       const struct bindlink_resolution *resolution)
{
	const char *virtual = bindlink_link_virtual(link);
	dev_t dev = bindlink_link_dev(link);
	char flags[FLAGS_TEXT_SIZE];

	printf("id: %llu\n", (unsigned long long)bindlink_link_id(link));
	print_field("virtual", virtual);
	print_field("backing", bindlink_link_backing(link));
	print_field("flags", flags_text(bindlink_link_flags(link), "none",
					flags));
	for (size_t i = 0; i < bindlink_link_exception_count(link); i++)
		print_field("exception", bindlink_link_exception(link, i));
	print_field("carrier", carrier_name(bindlink_link_carrier(link)));
	print_field("carrier path", bindlink_link_carrier_path(link));
	printf("device: %u:%u\n", major(dev), minor(dev));
	print_way(resolution);

	if (bindlink_link_carrier(link) != BINDLINK_ATTACH_PATH)
		return;
	fputs("note: ", stdout);
	put_escaped(stdout, virtual);
	fputs(" is a mount point: its name can be neither removed nor renamed (EBUSY) while the link is there\n",
	      stdout);
}

static int run_show(const struct arguments *arguments)
{
	const char *path = arguments->operands[0];
	struct bindlink_resolution *resolution;
	struct bindlink_link *link;
	int error;

	error = bindlink_get(handle, path, &link);
	if (error)
		return fail(arguments, error, path);
	error = bindlink_resolve(handle, bindlink_link_virtual(link),
				 &resolution);
	if (error) {
		bindlink_link_free(link);
		return fail(arguments, error, path);
	}
	if (arguments->json)
		put_json(stdout, json_shown(link, resolution));
	else
		print_link(link, resolution);
	bindlink_resolution_free(resolution);
	bindlink_link_free(link);
	return EXIT_SUCCESS;
}

static void print_resolution(const struct bindlink_resolution *resolution)
{
	const struct bindlink_link *link = bindlink_resolution_link(resolution);

	print_field("path", bindlink_resolution_path(resolution));
	if (link)
		print_arrow("link:", link);
	else
		puts("link: none");
	print_way(resolution);
}

/* That a link leads nowhere is what was asked for, and no failure to tell. */
static int run_resolve(const struct arguments *arguments)
{
	const char *path = arguments->operands[0];
	struct bindlink_resolution *resolution;
	int error;

	error = bindlink_resolve(handle, path, &resolution);
	if (error)
		return fail(arguments, error, path);
	if (arguments->json)
		put_json(stdout, json_resolution(resolution));
	else
		print_resolution(resolution);
	bindlink_resolution_free(resolution);
	return EXIT_SUCCESS;
}

static void print_event(const struct arguments *arguments, const char *word,
			const struct bindlink_link *link)
{
	if (arguments->json) {
		put_json(stdout, json_event(word, link));
	} else if (!link) {
		puts(word);
	} else if (!strcmp(word, "removed")) {
		printf("%s ", word);
		put_escaped(stdout, bindlink_link_virtual(link));
		putchar('\n');
	} else {
		print_arrow(word, link);
	}
}

/* After a loss, say so, and which links there are. */
static int print_resync(const struct arguments *arguments)
{
	const struct bindlink_link *link;
	struct bindlink_iterator *list;
	int error;

	print_event(arguments, "resync", NULL);
	error = bindlink_list(handle, &list);
	/* Unloaded already, which it is only without links. */
	if (error == -EPROTONOSUPPORT)
		return EXIT_SUCCESS;
	if (error)
		return fail(arguments, error, NULL);
	while ((link = bindlink_iterator_next(list)))
		print_event(arguments, "present", link);
	bindlink_iterator_free(list);
	return EXIT_SUCCESS;
}

static int print_events(const struct arguments *arguments,
			struct bindlink_monitor *monitor)
{
	struct bindlink_event *event;
	int error, status = EXIT_SUCCESS;

	while (status == EXIT_SUCCESS) {
		error = bindlink_monitor_next(monitor, &event);
		if (error == -EAGAIN)
			return EXIT_SUCCESS;
		if (error) {
			report(arguments->json, error, NULL,
			       bindlink_message(NULL));
			return EXIT_FAILURE;
		}

		switch (bindlink_event_type(event)) {
		case BINDLINK_EVENT_CREATED:
			print_event(arguments, "created",
				    bindlink_event_link(event));
			break;
		case BINDLINK_EVENT_REMOVED:
			print_event(arguments, "removed",
				    bindlink_event_link(event));
			break;
		case BINDLINK_EVENT_RESYNC:
			status = print_resync(arguments);
			break;
		}
		bindlink_event_free(event);
		if (!finish_output(arguments->json))
			status = EXIT_FAILURE;
	}
	return status;
}

/* Until a signal ends it, or nobody reads what is printed any more. */
static int watch(const struct arguments *arguments,
		 struct bindlink_monitor *monitor, int signals)
{
	struct pollfd fds[] = {
		{ .fd = bindlink_monitor_fd(monitor), .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};
	int status;

	for (;;) {
		if (poll(fds, 3, -1) < 0) {
			if (errno == EINTR)
				continue;
			report(arguments->json, -errno, NULL, "cannot wait");
			return EXIT_FAILURE;
		}
		if (fds[0].revents) {
			status = print_events(arguments, monitor);
			if (status != EXIT_SUCCESS)
				return status;
		}
		if (fds[1].revents)
			return EXIT_SUCCESS;
		if (fds[2].revents) {
			report(arguments->json, -EPIPE, NULL,
			       "cannot write to standard output");
			return EXIT_FAILURE;
		}
	}
}

static int run_monitor(const struct arguments *arguments)
{
	struct bindlink_monitor *monitor;
	sigset_t set;
	int error, signals, status;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signals = signalfd(-1, &set, SFD_CLOEXEC);
	if (signals < 0) {
		report(arguments->json, -errno, NULL, "cannot take signals");
		return EXIT_FAILURE;
	}

	error = bindlink_monitor_open(handle, &monitor);
	if (error) {
		status = fail(arguments, error, NULL);
	} else {
		status = watch(arguments, monitor, signals);
		bindlink_monitor_close(monitor);
	}
	close(signals);
	return status;
}

struct command {
	const char *name;
	int (*run)(const struct arguments *arguments);
	const struct option *options;
	int least;
	int most;
	const char *operands;
};

static const struct command commands[] = {
	{ "create", run_create, create_options, 2, 2,
	  "needs a VIRTUAL and a BACKING path" },
	{ "remove", run_remove, other_options, 1, INT_MAX,
	  "needs a VIRTUAL path, or several" },
	{ "list", run_list, other_options, 0, 0, "takes no paths" },
	{ "show", run_show, other_options, 1, 1, "needs one VIRTUAL path" },
	{ "resolve", run_resolve, other_options, 1, 1, "needs one PATH" },
	{ "monitor", run_monitor, other_options, 0, 0, "takes no paths" },
	{ }
};

static int read_attach(const char *word, uint32_t *attach)
{
	if (!strcmp(word, "auto"))
		*attach = BINDLINK_ATTACH_AUTO;
	else if (!strcmp(word, "path"))
		*attach = BINDLINK_ATTACH_PATH;
	else if (!strcmp(word, "parent"))
		*attach = BINDLINK_ATTACH_PARENT;
	else
		return -EINVAL;
	return 0;
}

/*
 * What getopt_long() did not understand. With a short option, which there are
 * none of, it may not have moved on to the next argument.
 */
static int misuse_option(const char *command, int result, char **argv)
{
	char letter[] = { '-', (char)optopt, '\0' };

	if (result == ':')
		return misuse(command, "an option lacks its argument",
			      argv[optind - 1]);
	if (optopt > 0 && optopt < OPTION_READ_ONLY)
		return misuse(command, "unknown option", letter);
	return misuse(command, optopt ? "an option takes no argument" :
		      "unknown option", argv[optind - 1]);
}

/* Returns -1, or the exit status if there is nothing to run. */
static int read_arguments(const struct command *command,
			  struct arguments *arguments, int argc, char **argv)
{
	struct bindlink_create_options *create = &arguments->create;
	int result;

	create->size = sizeof(*create);
	create->exceptions = arguments->exceptions;
	optind = 0;
	while ((result = getopt_long(argc, argv, ":", command->options,
				     NULL)) != -1) {
		switch (result) {
		case OPTION_READ_ONLY:
			create->flags |= BINDLINK_FLAG_READ_ONLY;
			break;
		case OPTION_MERGE:
			create->flags |= BINDLINK_FLAG_MERGED;
			break;
		case OPTION_EXCEPTION:
			arguments->exceptions[create->exception_count++] =
				optarg;
			break;
		case OPTION_ATTACH:
			if (read_attach(optarg, &create->attach))
				return misuse(command->name,
					      "--attach takes auto, path or parent",
					      optarg);
			break;
		case OPTION_NATIVE:
			create->flags |= BINDLINK_FLAG_NATIVE;
			break;
		case OPTION_JSON:
			arguments->json = true;
			break;
		case OPTION_HELP:
			return print_usage();
		default:
			return misuse_option(command->name, result, argv);
		}
	}

	arguments->operands = argv + optind;
	arguments->count = argc - optind;
	if (arguments->count < command->least ||
	    arguments->count > command->most)
		return misuse(command->name, command->operands, NULL);
	return -1;
}

static int run(const struct command *command, bool json, int argc, char **argv)
{
	struct arguments arguments = { .json = json };
	int status, error;

	/* Each exception takes an argument at least. */
	arguments.exceptions = calloc(argc, sizeof(*arguments.exceptions));
	error = arguments.exceptions ? bindlink_open(&handle) : -ENOMEM;
	if (error) {
		free(arguments.exceptions);
		report(json, error, NULL, "");
		return EXIT_FAILURE;
	}

	status = read_arguments(command, &arguments, argc, argv);
	if (status < 0) {
		status = command->run(&arguments);
		if (status == EXIT_SUCCESS && !finish_output(arguments.json))
			status = EXIT_FAILURE;
	}
	bindlink_close(handle);
	free(arguments.exceptions);
	return status;
}

/*
 * A socket must not get the number of a standard stream that the caller has
 * closed. Instead there is something that cannot be written to, or read from.
 */
static void keep_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	bool json = false;
	int result;

	keep_standard_streams();
	opterr = 0;
	while ((result = getopt_long(argc, argv, "+:", global_options,
				     NULL)) != -1) {
		switch (result) {
		case OPTION_JSON:
			json = true;
			break;
		case OPTION_HELP:
			return print_usage();
		case OPTION_VERSION:
			return print_version();
		default:
			return misuse_option(NULL, result, argv);
		}
	}

	if (optind == argc) {
		fputs(usage, stderr);
		return EXIT_USAGE;
	}
	argc -= optind;
	argv += optind;
	for (const struct command *command = commands; command->name; command++)
		if (!strcmp(argv[0], command->name))
			return run(command, json, argc, argv);

	if (!strcmp(argv[0], "help"))
		return argc == 1 ? print_usage() :
		       misuse("help", "takes no arguments", NULL);
	if (!strcmp(argv[0], "version"))
		return argc == 1 ? print_version() :
		       misuse("version", "takes no arguments", NULL);
	return misuse(NULL, "unknown command", argv[0]);
}
