// SPDX-License-Identifier: GPL-2.0
/*
 * PID 1 of the test VM, and all there is in its initramfs but modules.
 *
 * It builds the root directory out of the host's files, loads bindlink, runs
 * the command while copying its output and the kernel log to the host, looks
 * for leaks, hands over the verdict and switches the machine off.  It is a C
 * program because with a debug kernel and without KVM each process that a
 * shell script starts takes tens of milliseconds.
 *
 * What is written to a virtio-serial port may still be under way when write()
 * returns, and would be lost if the machine was switched off.  But closing the
 * port waits for an answer from QEMU, which comes after QEMU has been told of
 * all that was written before; and the files at the other end, being regular
 * ones, never make QEMU wait.  The verdict has the number of bytes, all the
 * same.
 *
 * vm.sh puts the configuration of a run, /vm/config, and the command, /vm/args,
 * into the initramfs; both are sequences of strings that end in a zero byte.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LEAKS "/sys/kernel/debug/kmemleak"
#define SECTIONS "/sys/module/bindlink/sections"

static char *config;
static size_t config_len;

static int kmsg_port = -1;
static int kmsg_fd = -1;

static void kmsg_finish(void);

static void __attribute__((noreturn)) power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

static void __attribute__((format(printf, 1, 2))) say(const char *format, ...)
{
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);
	va_list args;

	va_start(args, format);
	if (fd >= 0) {
		char text[1024] = "bindlink-vm: ";
		size_t len = strlen(text);

		vsnprintf(text + len, sizeof(text) - len, format, args);
		if (write(fd, text, strlen(text)) < 0)
			dprintf(2, "%s\n", text);
		close(fd);
	}
	va_end(args);
}

/* Without a verdict, vm.sh shows the end of the kernel log. */
#define die(format, ...) do {						\
	say(format ": %s", ##__VA_ARGS__, strerror(errno));		\
	kmsg_finish();							\
	power_off();							\
} while (0)

static const char *setting(const char *name)
{
	size_t len = strlen(name);
	char *p;

	for (p = config; p < config + config_len; p += strlen(p) + 1)
		if (!strncmp(p, name, len) && p[len] == '=')
			return p + len + 1;
	return "";
}

static char *slurp(const char *path, size_t *len)
{
	size_t size = 0, room = 65536;
	char *buf = malloc(room + 1);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (!buf || fd < 0)
		die("%s", path);
	while ((n = read(fd, buf + size, room - size)) > 0) {
		size += n;
		if (size == room) {
			room *= 2;
			buf = realloc(buf, room + 1);
			if (!buf)
				die("%s", path);
		}
	}
	if (n < 0)
		die("%s", path);
	close(fd);
	buf[size] = '\0';
	if (len)
		*len = size;
	return buf;
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		die("mkdir %s", path);
}

static void must_mount(const char *source, const char *target,
		       const char *type, unsigned long flags,
		       const char *options)
{
	make_dir(target);
	if (mount(source, target, type, flags, options))
		die("mount %s", target);
}

/* For what a kernel may have been built without. */
static void may_mount(const char *target, const char *type,
		      const char *options)
{
	if (mount(type, target, type, 0, options) && errno != ENODEV &&
	    errno != ENOENT)
		die("mount %s", target);
}

static int open_module(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("%s", path);
	return fd;
}

static void load_module(int fd, const char *path)
{
	if (syscall(SYS_finit_module, fd, "", 0) && errno != EEXIST)
		die("cannot load %s", path);
	close(fd);
}

static void nap(long ms)
{
	struct timespec ts = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&ts, NULL);
}

static long long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/*
 * Ports
 */

static int try_port(const char *name)
{
	static const char class[] = "/sys/class/virtio-ports";
	DIR *dir = opendir(class);
	struct dirent *de;
	int port = -1;

	while (port < 0 && dir && (de = readdir(dir))) {
		char path[PATH_MAX], text[64] = "";
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s/name", class, de->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (!fgets(text, sizeof(text), f))
			text[0] = '\0';
		fclose(f);
		text[strcspn(text, "\n")] = '\0';
		if (strncmp(text, "bindlink.", 9) || strcmp(text + 9, name))
			continue;
		snprintf(path, sizeof(path), "/dev/%s", de->d_name);
		port = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	}
	if (dir)
		closedir(dir);
	return port;
}

/* The ports appear some time after their driver. */
static int open_port(const char *name)
{
	int tries, port;

	for (tries = 0; tries < 6000; tries++) {
		port = try_port(name);
		if (port >= 0)
			return port;
		nap(10);
	}
	die("no port %s", name);
}

static void wait_writable(int port)
{
	struct pollfd p = { .fd = port, .events = POLLOUT };

	while (poll(&p, 1, -1) < 0)
		if (errno != EINTR)
			die("poll");
}

static void put(int port, const char *buf, size_t len)
{
	while (len) {
		ssize_t n = write(port, buf, len);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			power_off();
		if (n > 0) {
			buf += n;
			len -= n;
		} else {
			wait_writable(port);
		}
	}
}

/*
 * Streams: something that is read and copied to a port
 */

struct stream {
	int fd;
	int port;
	bool bounded;		/* read at most @left more bytes */
	bool eof;
	size_t left;
	size_t off, len;
	unsigned long long total;
	char buf[32768];
};

static struct stream out, err, klog;

static void fill(struct stream *s)
{
	size_t want = sizeof(s->buf);
	ssize_t n;

	if (s->bounded && s->left < want)
		want = s->left;
	n = want ? read(s->fd, s->buf, want) : 0;
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			die("read from the command");
		s->eof = s->bounded;
		return;
	}
	s->eof = !n;
	s->off = 0;
	s->len = n;
	if (s->bounded)
		s->left -= n;
}

static void flush(struct stream *s)
{
	ssize_t n = write(s->port, s->buf + s->off, s->len - s->off);

	if (n < 0) {
		if (errno == EAGAIN || errno == EINTR)
			return;
		die("write to port");
	}
	s->off += n;
	s->total += n;
	if (s->off == s->len)
		s->off = s->len = 0;
}

/* The writers may outlive the command: take only what they wrote so far. */
static void bound(struct stream *s)
{
	int n = 0;

	if (s->eof)
		return;
	if (ioctl(s->fd, FIONREAD, &n))
		die("FIONREAD");
	s->bounded = true;
	s->left = n;
}

/* Write records of /dev/kmsg the way dmesg does. */
static void fill_klog(struct stream *s)
{
	static const char lost[] = "bindlink-vm: kernel messages were lost\n";
	static char rec[16384];

	while (s->len < sizeof(s->buf) - sizeof(rec)) {
		ssize_t n = read(s->fd, rec, sizeof(rec) - 1);
		unsigned long long seq, us;
		char *text, *end;
		unsigned int prio;

		if (n < 0 && errno == EPIPE) {
			memcpy(s->buf + s->len, lost, sizeof(lost) - 1);
			s->len += sizeof(lost) - 1;
			continue;
		}
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return;
		rec[n] = '\0';
		text = strchr(rec, ';');
		end = strchr(rec, '\n');
		if (!text || !end || end < text ||
		    sscanf(rec, "%u,%llu,%llu", &prio, &seq, &us) != 3)
			continue;
		*end = '\0';
		s->len += sprintf(s->buf + s->len, "[%5llu.%06llu] %s\n",
				  us / 1000000, us % 1000000, text + 1);
	}
}

static void kmsg_start(void)
{
	kmsg_port = open_port("kmsg");
	kmsg_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (kmsg_fd < 0)
		die("/dev/kmsg");
	klog.fd = kmsg_fd;
	klog.port = kmsg_port;
}

static void kmsg_finish(void)
{
	if (kmsg_fd < 0)
		return;
	do {
		put(kmsg_port, klog.buf + klog.off, klog.len - klog.off);
		klog.off = klog.len = 0;
		fill_klog(&klog);
	} while (klog.len);
	close(kmsg_port);
	kmsg_fd = -1;
}

/*
 * The root directory
 */

/*
 * Every top-level directory of the host becomes an overlay of its own, so that
 * the root directory itself is a cheap tmpfs.
 */
static void add_host_entry(const char *name)
{
	char from[PATH_MAX], to[PATH_MAX], upper[PATH_MAX], work[PATH_MAX];
	char options[3 * PATH_MAX + 64];
	struct stat st;

	snprintf(from, sizeof(from), "/host/%s", name);
	snprintf(to, sizeof(to), "/new/%s", name);
	if (lstat(from, &st))
		return;
	if (S_ISLNK(st.st_mode)) {
		char target[PATH_MAX];
		ssize_t n = readlink(from, target, sizeof(target) - 1);

		if (n < 0)
			die("%s", from);
		target[n] = '\0';
		if (symlink(target, to))
			die("%s", to);
	} else if (S_ISREG(st.st_mode)) {
		int fd = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

		if (fd < 0 || mount(from, to, NULL, MS_BIND, NULL))
			die("%s", to);
		close(fd);
	} else if (S_ISDIR(st.st_mode)) {
		snprintf(work, sizeof(work), "/upper/%s", name);
		make_dir(work);
		snprintf(upper, sizeof(upper), "/upper/%s/upper", name);
		make_dir(upper);
		snprintf(work, sizeof(work), "/upper/%s/work", name);
		make_dir(work);
		if (chown(upper, st.st_uid, st.st_gid) ||
		    chmod(upper, st.st_mode & 07777))
			die("%s", upper);
		snprintf(options, sizeof(options),
			 "lowerdir=%s,upperdir=%s,workdir=%s", from, upper,
			 work);
		must_mount("host", to, "overlay", 0, options);
	}
}

static void make_root(void)
{
	static const char * const own[] = {
		".", "..", "proc", "sys", "dev", "run", "scratch", "scratch2",
		"lost+found",
	};
	struct dirent *de;
	size_t i;
	DIR *dir;

	must_mount("host", "/host", "9p", MS_RDONLY,
		   "trans=virtio,version=9p2000.L,msize=512000,cache=loose");
	must_mount("root", "/new", "tmpfs", 0, "mode=755,size=75%");
	must_mount("upper", "/upper", "tmpfs", 0, "mode=755,size=75%");
	dir = opendir("/host");
	if (!dir)
		die("/host");
	while ((de = readdir(dir))) {
		for (i = 0; i < sizeof(own) / sizeof(own[0]); i++)
			if (!strcmp(de->d_name, own[i]))
				break;
		if (i == sizeof(own) / sizeof(own[0]))
			add_host_entry(de->d_name);
	}
	closedir(dir);

	must_mount("/proc", "/new/proc", NULL, MS_MOVE, NULL);
	must_mount("/sys", "/new/sys", NULL, MS_MOVE, NULL);
	must_mount("/dev", "/new/dev", NULL, MS_MOVE, NULL);
	must_mount("run", "/new/run", "tmpfs", 0, "mode=755");
	make_dir("/new/run/lock");
	if (chdir("/new") || mount(".", "/", NULL, MS_MOVE, NULL) ||
	    chroot(".") || chdir("/"))
		die("cannot change the root directory");
}

static void link_up(const char *name)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct ifreq req = { .ifr_flags = IFF_UP };

	strncpy(req.ifr_name, name, sizeof(req.ifr_name) - 1);
	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &req))
		die("cannot set up %s", name);
	close(fd);
}

static void furnish_root(void)
{
	static const char * const links[][2] = {
		{ "/proc/self/fd", "/dev/fd" },
		{ "/proc/self/fd/0", "/dev/stdin" },
		{ "/proc/self/fd/1", "/dev/stdout" },
		{ "/proc/self/fd/2", "/dev/stderr" },
	};
	const char *tree = setting("module_tree"), *disk = setting("second");
	char path[PATH_MAX];
	struct utsname uts;
	size_t i;

	for (i = 0; i < sizeof(links) / sizeof(links[0]); i++)
		if (symlink(links[i][0], links[i][1]))
			die("%s", links[i][1]);
	must_mount("devpts", "/dev/pts", "devpts", 0,
		   "mode=620,ptmxmode=666,gid=5");
	must_mount("shm", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV,
		   "mode=1777");
	make_dir("/dev/mqueue");
	may_mount("/dev/mqueue", "mqueue", NULL);
	may_mount("/sys/kernel/debug", "debugfs", NULL);
	may_mount("/sys/kernel/tracing", "tracefs", NULL);
	may_mount("/sys/kernel/security", "securityfs", NULL);
	may_mount("/sys/fs/cgroup", "cgroup2", NULL);
	link_up("lo");
	if (sethostname("localhost", 9))
		die("sethostname");

	uname(&uts);
	snprintf(path, sizeof(path), "/lib/modules/%s", uts.release);
	if (*tree && strcmp(tree, path))
		must_mount(tree, path, NULL, MS_BIND, NULL);

	must_mount("/dev/vda", "/scratch", "ext4", 0, NULL);
	if (*disk)
		must_mount("/dev/vdb", "/scratch2", disk, 0, NULL);
	if (mount(NULL, "/", NULL, MS_REC | MS_SHARED, NULL))
		die("cannot make mounts shared");
}

/*
 * The command
 */

static void set_environment(void)
{
	char path[2 * PATH_MAX];

	clearenv();
	snprintf(path, sizeof(path), "%s:%s", setting("path"),
		 "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	setenv("PATH", *setting("path") ? path : strchr(path, ':') + 1, 1);
	if (*setting("library_path"))
		setenv("LD_LIBRARY_PATH", setting("library_path"), 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", "/bin/bash", 1);
	setenv("LANG", "C.UTF-8", 1);
	if (*setting("term"))
		setenv("TERM", setting("term"), 1);
}

/* Only returns in the parent. */
static pid_t start(char **argv, int in_fd, int out_fd, int err_fd)
{
	pid_t pid = fork();
	sigset_t none;

	if (pid < 0)
		die("fork");
	if (pid)
		return pid;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	set_environment();
	setsid();
	if (dup2(in_fd, 0) < 0 || dup2(out_fd, 1) < 0 || dup2(err_fd, 2) < 0)
		_exit(125);
	if (isatty(0))
		ioctl(0, TIOCSCTTY, 0);
	if (chdir("/scratch")) {
		perror("vm.sh: /scratch");
		_exit(125);
	}
	execvp(argv[0], argv);
	fprintf(stderr, "vm.sh: %s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

static pid_t start_command(char *args, size_t len)
{
	char **argv = calloc(len + 1, sizeof(*argv));
	int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	int out_pipe[2], err_pipe[2];
	size_t argc = 0;
	pid_t pid;
	char *p;

	if (!argv || null < 0 || pipe2(out_pipe, O_CLOEXEC) ||
	    pipe2(err_pipe, O_CLOEXEC))
		die("cannot start the command");
	for (p = args; p < args + len; p += strlen(p) + 1)
		argv[argc++] = p;
	pid = start(argv, null, out_pipe[1], err_pipe[1]);
	close(null);
	close(out_pipe[1]);
	close(err_pipe[1]);
	fcntl(out_pipe[0], F_SETFL, O_NONBLOCK);
	fcntl(err_pipe[0], F_SETFL, O_NONBLOCK);
	out.fd = out_pipe[0];
	err.fd = err_pipe[0];
	free(argv);
	return pid;
}

static pid_t start_shell(void)
{
	char *argv[] = { "bash", "-i", NULL };
	int tries, tty = -1;
	pid_t pid;

	for (tries = 0; tty < 0 && tries < 1000; tries++) {
		tty = open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC);
		if (tty < 0)
			nap(10);
	}
	if (tty < 0)
		die("/dev/hvc0");
	pid = start(argv, tty, tty, tty);
	close(tty);
	out.eof = err.eof = true;
	return pid;
}

/* What poll() is to wait for on behalf of @s. */
static struct pollfd wanted(const struct stream *s)
{
	if (s->len)
		return (struct pollfd){ .fd = s->port, .events = POLLOUT };
	if (s->eof)
		return (struct pollfd){ .fd = -1 };
	return (struct pollfd){ .fd = s->fd, .events = POLLIN };
}

static int wait_for(pid_t pid, int sigfd)
{
	bool exited = false;
	int status = 0;

	for (;;) {
		struct pollfd fd[4];

		/* What is bounded is read without waiting. */
		if (out.bounded && !out.len && !out.eof)
			fill(&out);
		if (err.bounded && !err.len && !err.eof)
			fill(&err);
		if (exited && out.eof && err.eof && !out.len && !err.len)
			return status;

		fd[0] = (struct pollfd){ .fd = sigfd, .events = POLLIN };
		fd[1] = wanted(&out);
		fd[2] = wanted(&err);
		fd[3] = wanted(&klog);
		if (poll(fd, 4, -1) < 0) {
			if (errno == EINTR)
				continue;
			die("poll");
		}
		if (fd[0].revents) {
			struct signalfd_siginfo si;
			pid_t child;
			int ws;

			if (read(sigfd, &si, sizeof(si)) != sizeof(si))
				continue;
			/* PID 1 has to reap all orphans. */
			while ((child = waitpid(-1, &ws, WNOHANG)) > 0) {
				if (child != pid)
					continue;
				exited = true;
				status = WIFEXITED(ws) ? WEXITSTATUS(ws) :
					 128 + WTERMSIG(ws);
				bound(&out);
				bound(&err);
			}
			continue;
		}
		if (fd[1].revents)
			out.len ? flush(&out) : fill(&out);
		if (fd[2].revents)
			err.len ? flush(&err) : fill(&err);
		if (fd[3].revents)
			klog.len ? flush(&klog) : fill_klog(&klog);
	}
}

/*
 * The verdict
 */

static void print_file(FILE *f, const char *path, const char *prefix)
{
	FILE *in = fopen(path, "re");
	char *line = NULL;
	size_t room = 0;

	while (in && getline(&line, &room, in) >= 0)
		fprintf(f, "%s%s%s", prefix, line,
			strchr(line, '\n') ? "" : "\n");
	if (in)
		fclose(in);
	free(line);
}

static void remove_module(FILE *f)
{
	char prefix[300];
	struct dirent *de;
	DIR *dir = opendir(SECTIONS);

	/* For giving names to the functions in backtraces afterwards. */
	while (dir && (de = readdir(dir))) {
		char path[PATH_MAX];

		if (!strstr(de->d_name, "text"))
			continue;
		snprintf(path, sizeof(path), SECTIONS "/%s", de->d_name);
		snprintf(prefix, sizeof(prefix), "section: %s ", de->d_name);
		print_file(f, path, prefix);
	}
	if (dir)
		closedir(dir);

	if (!syscall(SYS_delete_module, "bindlink", O_NONBLOCK))
		fprintf(f, "rmmod: done\n");
	else if (errno == EAGAIN || errno == EBUSY)
		fprintf(f, "rmmod: in use\n");
	else if (errno != ENOENT)
		fprintf(f, "rmmod: failed: %s\n", strerror(errno));
}

static void scan(void)
{
	int fd = open(LEAKS, O_WRONLY | O_CLOEXEC);

	/* EBUSY: kmemleak has disabled itself, and says so in the log. */
	if (fd < 0 || (write(fd, "scan", 4) < 0 && errno != EBUSY))
		die(LEAKS);
	close(fd);
}

/*
 * kmemleak does not report objects that are younger than five seconds, nor
 * those that have changed since the scan before.
 */
static void find_leaks(FILE *f, long long since)
{
	long long left;

	if (access(LEAKS, F_OK))
		return;
	scan();
	left = since + 5100 - now_ms();
	if (left > 0)
		nap(left);
	scan();
	print_file(f, LEAKS, "leak: ");
}

static void load_boot_modules(void)
{
	char *list = slurp("/vm/modules/order", NULL), *name, *save = NULL;
	char path[PATH_MAX];

	for (name = strtok_r(list, "\n", &save); name;
	     name = strtok_r(NULL, "\n", &save)) {
		snprintf(path, sizeof(path), "/vm/modules/%s", name);
		load_module(open_module(path), path);
		unlink(path);
	}
	free(list);
}

int main(void)
{
	char *args = NULL, *verdict = NULL;
	size_t args_len = 0, verdict_len = 0;
	int sigfd, status, verdict_port, module = -1;
	bool trial, shell;
	long long ended;
	sigset_t set;
	pid_t pid;
	FILE *f;

	if (getpid() != 1)
		return 2;
	umask(022);
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigprocmask(SIG_BLOCK, &set, NULL);

	must_mount("proc", "/proc", "proc", 0, NULL);
	must_mount("sysfs", "/sys", "sysfs", 0, NULL);
	must_mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	config = slurp("/vm/config", &config_len);
	trial = !strcmp(setting("mode"), "trial");
	shell = !strcmp(setting("mode"), "shell");
	load_boot_modules();
	verdict_port = open_port("verdict");
	if (trial) {
		put(verdict_port, "alive\n", 6);
		close(verdict_port);
		power_off();
	}
	kmsg_start();
	if (!shell) {
		args = slurp("/vm/args", &args_len);
		out.port = open_port("out");
		err.port = open_port("err");
	}

	sigfd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (sigfd < 0)
		die("signalfd");
	/* It is in the initramfs, which is about to disappear. */
	if (*setting("module"))
		module = open_module("/vm/bindlink.ko");
	make_root();
	furnish_root();
	if (module >= 0)
		load_module(module, "bindlink.ko");

	say("start");
	pid = shell ? start_shell() : start_command(args, args_len);
	status = wait_for(pid, sigfd);
	if (!shell) {
		close(out.port);
		close(err.port);
	}
	say("end");

	f = open_memstream(&verdict, &verdict_len);
	if (!f)
		die("open_memstream");
	fprintf(f, "status: %d\nout: %llu\nerr: %llu\n", status, out.total,
		err.total);
	ended = now_ms();
	remove_module(f);
	/*
	 * The filesystems complain about what still refers to them.  They may
	 * well be in use by something that the command left behind.
	 */
	umount("/scratch");
	umount("/scratch2");
	find_leaks(f, ended);
	sync();
	kmsg_finish();
	fprintf(f, "end\n");
	if (fclose(f))
		die("open_memstream");
	put(verdict_port, verdict, verdict_len);
	close(verdict_port);
	power_off();
}
