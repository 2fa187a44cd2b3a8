// SPDX-License-Identifier: GPL-2.0
/*
 * A module that makes trouble on demand, for selftests/vm/selftest.sh.  It
 * stands in for the real one: what is written to its parameter "trouble" is
 * the mistake that it makes, and vm.sh has to notice.
 */
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/namei.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/slab.h>

static DEFINE_MUTEX(mutex_a);
static DEFINE_MUTEX(mutex_b);
static DEFINE_SPINLOCK(spin);
static struct kmem_cache *cache;
static int array[4];
static volatile int index = 4;

static noinline void trouble_leak(void)
{
	void *volatile lost = kmalloc(77, GFP_KERNEL);

	(void)lost;
	lost = NULL;
}

static noinline void trouble_use_after_free(void)
{
	volatile char *p = kmalloc(77, GFP_KERNEL);

	if (!p)
		return;
	kfree((void *)p);
	p[5] = 1;
}

static noinline void trouble_deadlock(void)
{
	mutex_lock(&mutex_a);
	mutex_lock(&mutex_b);
	mutex_unlock(&mutex_b);
	mutex_unlock(&mutex_a);
	mutex_lock(&mutex_b);
	mutex_lock(&mutex_a);
	mutex_unlock(&mutex_a);
	mutex_unlock(&mutex_b);
}

static noinline void trouble_sleep(void)
{
	spin_lock(&spin);
	msleep(1);
	spin_unlock(&spin);
}

static noinline void trouble_dentry(void)
{
	struct path path;

	if (!kern_path("/scratch", 0, &path)) {
		dget(path.dentry);
		path_put(&path);
	}
}

static noinline void trouble_refcount(void)
{
	refcount_t r = REFCOUNT_INIT(0);

	refcount_inc(&r);
}

static noinline void trouble_rcu(void)
{
	static int __rcu *pointer;

	(void)rcu_dereference(pointer);
}

static int trouble_set(const char *text, const struct kernel_param *param)
{
	if (sysfs_streq(text, "leak"))
		trouble_leak();
	else if (sysfs_streq(text, "use-after-free"))
		trouble_use_after_free();
	else if (sysfs_streq(text, "deadlock"))
		trouble_deadlock();
	else if (sysfs_streq(text, "sleep"))
		trouble_sleep();
	else if (sysfs_streq(text, "dentry"))
		trouble_dentry();
	else if (sysfs_streq(text, "refcount"))
		trouble_refcount();
	else if (sysfs_streq(text, "rcu"))
		trouble_rcu();
	else if (sysfs_streq(text, "bounds"))
		array[index]++;
	else if (sysfs_streq(text, "null"))
		*(volatile int *)NULL = 1;
	else if (sysfs_streq(text, "cache"))
		return kmem_cache_alloc(cache, GFP_KERNEL) ? 0 : -ENOMEM;
	else if (sysfs_streq(text, "hold"))
		__module_get(THIS_MODULE);
	else
		return -EINVAL;
	return 0;
}

static const struct kernel_param_ops trouble_ops = {
	.set = trouble_set,
};
module_param_cb(trouble, &trouble_ops, NULL, 0200);

static int __init trouble_init(void)
{
	cache = kmem_cache_create("bindlink_trouble", 100, 0, 0, NULL);
	return cache ? 0 : -ENOMEM;
}

static void __exit trouble_exit(void)
{
	kmem_cache_destroy(cache);
}

module_init(trouble_init);
module_exit(trouble_exit);
MODULE_DESCRIPTION("Mistakes that the test VM has to notice");
MODULE_LICENSE("GPL");
