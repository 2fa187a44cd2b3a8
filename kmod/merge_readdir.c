// SPDX-License-Identifier: GPL-2.0
/*
 * Listing directories that are made of several.
 *
 * The entries are told in the order of a hash of their names, which is also
 * their position: so a position means the same whatever is made or removed, in
 * whichever layer, and however often the directory is read anew. All layers are
 * read at once, from the first to the last, and a name is taken from the first
 * one that has it. So a name that is seen all the time is listed once, also
 * while it is made or removed in another layer.
 *
 * What was read is kept for as much of the hash space as fits in a fixed amount
 * of memory. That is all of it for most directories; larger ones are read once
 * for each part. Names that have rules come from these, not from the layers.
 *
 * A name may go from one layer to another while they are read. So if one of them
 * has changed since the first was begun, all are read again, and what is new is
 * added.
 *
 * Most directories are in one layer only, and no names in them have rules. Such a one
 * is listed by its filesystem, with the positions of that, until it is rewound; what
 * other layers have of it by then is new.
 */

#include <linux/bits.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/iversion.h>
#include <linux/mount.h>
#include <linux/namei.h>
#include <linux/once.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/siphash.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bindlink.h"

/* Memory for names: 8 MiB, which is some 200,000 names. */
#define BL_MERGE_CHUNK		SZ_64K
#define BL_MERGE_CHUNKS		128

/* Positions: "." and ".." before the names, and one behind all of them. */
#define BL_MERGE_FIRST		2
#define BL_MERGE_LIMIT		(BL_MERGE_FIRST + BIT_ULL(61))
#define BL_MERGE_END		BIT_ULL(62)

/* Parts of the range of positions, for sorting, are at most 2^20. */
#define BL_MERGE_BITS		20

/* How often to read layers that go on changing. */
#define BL_MERGE_PASSES		4

/**
 * struct bl_merge_entry - a name that was read
 * @pos: its position
 * @ino: inode number
 * @layer: which layer it is from: 0 for names with rules, 1 for the first
 * @type: DT_*
 * @len: bytes of @name
 * @name: the name, without NUL
 */
struct bl_merge_entry {
	u64 pos;
	u64 ino;
	u8 layer;
	u8 type;
	u8 len;
	char name[] __counted_by(len);
};

/**
 * struct bl_merge - an open directory that is made of several
 * @files: the directories behind it, first layer first
 * @nr_files: entries of @files
 * @direct: there is just one, and it alone is listed; all below is not used then
 * @chunks: memory for the names that were read
 * @nr_chunks: entries of @chunks that are used
 * @used: bytes used of the last chunk
 * @sorted: the names by position, each name once
 * @nr: entries of @sorted
 * @limit: entries for which there is room in @sorted
 * @count: names in @chunks
 * @start: first position for which the names were read
 * @end: position up to which they were; 0 when none were
 * @dots: inode numbers of "." and ".."
 *
 * Used with the lock of the file's position held.
 */
struct bl_merge {
	struct file **files;
	unsigned int nr_files;
	bool direct;
	void *chunks[BL_MERGE_CHUNKS];
	unsigned int nr_chunks;
	size_t used;
	struct bl_merge_entry **sorted;
	unsigned int nr;
	unsigned int limit;
	unsigned int count;
	u64 start;
	u64 end;
	u64 dots[2];
};

/**
 * struct bl_merge_read - one layer is being read
 * @ctx: what the filesystem is given
 * @merge: where to put the names
 * @rules: the names that have rules
 * @layer: which layer
 * @err: why reading was stopped
 * @called: the filesystem had an entry
 */
struct bl_merge_read {
	struct dir_context ctx;
	struct bl_merge *merge;
	struct bl_dir_rules *rules;
	unsigned int layer;
	int err;
	bool called;
};

static u64 bl_merge_pos(const char *name, unsigned int len)
{
	static siphash_key_t key;

	/* Nobody shall be able to make names that collide. */
	get_random_once(&key, sizeof(key));
	return BL_MERGE_FIRST + (siphash(name, len, &key) >> 3);
}

/* Forget the names that were read. */
static void bl_merge_forget(struct bl_merge *merge)
{
	while (merge->nr_chunks)
		kvfree(merge->chunks[--merge->nr_chunks]);
	kvfree(merge->sorted);
	merge->sorted = NULL;
	merge->used = BL_MERGE_CHUNK;
	merge->count = 0;
	merge->nr = 0;
	merge->limit = 0;
	merge->end = 0;
}

static size_t bl_merge_size(unsigned int len)
{
	return ALIGN(offsetof(struct bl_merge_entry, name) + len,
		     __alignof__(struct bl_merge_entry));
}

/**
 * struct bl_merge_iter - where in the names that were read
 * @chunk: which chunk
 * @at: where in it
 */
struct bl_merge_iter {
	unsigned int chunk;
	size_t at;
};

/* Whether @size bytes fit at @iter; otherwise in the chunk behind it. */
static struct bl_merge_entry *bl_merge_at(struct bl_merge *merge,
					  struct bl_merge_iter *iter,
					  size_t size)
{
	struct bl_merge_entry *entry;

	if (iter->at + size > BL_MERGE_CHUNK) {
		iter->chunk++;
		iter->at = 0;
	}
	entry = merge->chunks[iter->chunk] + iter->at;
	iter->at += size;
	return entry;
}

/* The next of the names that were read. A chunk's rest begins with len 0. */
static struct bl_merge_entry *bl_merge_next(struct bl_merge *merge,
					    struct bl_merge_iter *iter)
{
	struct bl_merge_entry *entry;

	if (iter->at + sizeof(*entry) > BL_MERGE_CHUNK ||
	    !((struct bl_merge_entry *)(merge->chunks[iter->chunk] +
					iter->at))->len) {
		iter->chunk++;
		iter->at = 0;
	}
	entry = merge->chunks[iter->chunk] + iter->at;
	iter->at += bl_merge_size(entry->len);
	return entry;
}

static void bl_merge_close(struct bl_merge *merge, struct bl_merge_iter *end)
{
	size_t left = BL_MERGE_CHUNK - end->at;

	if (left >= sizeof(struct bl_merge_entry))
		memset(merge->chunks[end->chunk] + end->at, 0,
		       sizeof(struct bl_merge_entry));
}

/* There is no more room: do with the first half of the positions. */
static void bl_merge_halve(struct bl_merge *merge)
{
	struct bl_merge_iter from = {}, to = {};
	unsigned int n = merge->count;
	struct bl_merge_entry *entry, *copy;
	struct bl_merge_iter before;

	merge->end = merge->start + (merge->end - merge->start) / 2;
	merge->nr = 0;
	merge->count = 0;
	while (n--) {
		entry = bl_merge_next(merge, &from);
		if (entry->pos >= merge->end)
			continue;
		before = to;
		copy = bl_merge_at(merge, &to, bl_merge_size(entry->len));
		if (before.chunk != to.chunk)
			bl_merge_close(merge, &before);
		memmove(copy, entry, bl_merge_size(entry->len));
		merge->count++;
	}
	while (merge->nr_chunks > to.chunk + 1)
		kvfree(merge->chunks[--merge->nr_chunks]);
	merge->used = to.at;
}

/* The first entry at @pos or behind it. */
static unsigned int bl_merge_search(const struct bl_merge *merge, u64 pos)
{
	unsigned int low = 0, high = merge->nr;

	while (low < high) {
		unsigned int middle = low + (high - low) / 2;

		if (merge->sorted[middle]->pos < pos)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Whether the layers had the name when they were read before. */
static bool bl_merge_known(const struct bl_merge *merge, u64 pos,
			   const char *name, unsigned int len)
{
	unsigned int i;

	for (i = bl_merge_search(merge, pos);
	     i < merge->nr && merge->sorted[i]->pos == pos; i++)
		if (merge->sorted[i]->len == len &&
		    !memcmp(merge->sorted[i]->name, name, len))
			return true;
	return false;
}

static int bl_merge_add(struct bl_merge *merge, const char *name,
			unsigned int len, u64 ino, unsigned int type,
			unsigned int layer)
{
	u64 pos = bl_merge_pos(name, len);
	struct bl_merge_entry *entry;
	struct bl_merge_iter at;
	void *chunk;

	if (bl_merge_known(merge, pos, name, len))
		return 0;
	while (pos >= merge->start && pos < merge->end &&
	       merge->used + bl_merge_size(len) > BL_MERGE_CHUNK) {
		if (merge->nr_chunks == BL_MERGE_CHUNKS) {
			bl_merge_halve(merge);
			continue;
		}
		chunk = kvmalloc(BL_MERGE_CHUNK, GFP_KERNEL_ACCOUNT);
		if (!chunk)
			return -ENOMEM;
		if (merge->nr_chunks) {
			at.chunk = merge->nr_chunks - 1;
			at.at = merge->used;
			bl_merge_close(merge, &at);
		}
		merge->chunks[merge->nr_chunks++] = chunk;
		merge->used = 0;
	}
	if (pos < merge->start || pos >= merge->end)
		return 0;

	entry = merge->chunks[merge->nr_chunks - 1] + merge->used;
	merge->used += bl_merge_size(len);
	merge->count++;
	entry->pos = pos;
	entry->ino = ino;
	entry->layer = layer;
	entry->type = type;
	entry->len = len;
	memcpy(entry->name, name, len);
	return 0;
}

static bool bl_merge_actor(struct dir_context *ctx, const char *name, int len,
			   loff_t offset, u64 ino, unsigned int type)
{
	struct bl_merge_read *read = container_of(ctx, struct bl_merge_read,
						  ctx);
	struct bl_rule rule;

	read->called = true;
	if (len <= 2 && !memcmp(name, "..", len)) {
		if (read->layer == 1)
			read->merge->dots[len - 1] = ino;
		return true;
	}
	if (len > NAME_MAX)
		read->err = -EIO;
	else if (!read->rules->nr ||
		 bl_dir_rules_find(read->rules, name, len, &rule) < 0)
		read->err = bl_merge_add(read->merge, name, len, ino, type,
					 read->layer);
	if (!read->err && fatal_signal_pending(current))
		read->err = -EINTR;
	return !read->err;
}

static int bl_merge_read_layer(struct bl_merge *merge, struct bl_dir_rules *rules,
			       unsigned int i)
{
	struct bl_merge_read read = {
		.ctx.actor = bl_merge_actor,
		.merge = merge,
		.rules = rules,
		.layer = i + 1,
	};
	struct file *file = merge->files[i];
	loff_t pos = vfs_llseek(file, 0, SEEK_SET);
	int err = pos < 0 ? pos : 0;

	while (!err) {
		read.called = false;
		err = iterate_dir(file, &read.ctx) ?: read.err;
		/* A directory that was removed is empty. */
		if (err == -ENOENT && IS_DEADDIR(file_inode(file)))
			return 0;
		file->f_pos = read.ctx.pos;
		cond_resched();
		/* Some filesystems come back before the end. */
		if (!read.called)
			break;
	}
	return err;
}

/* The names that have rules. */
static int bl_merge_read_rules(struct bl_merge *merge, struct dentry *dir,
			       struct bl_dir_rules *rules)
{
	char name[NAME_MAX + 1];
	struct bl_rule rule;
	u32 serial;
	int i, type;
	u64 ino;

	for (i = 0; i < rules->nr; i++) {
		serial = 0;
		for (;;) {
			bool more;

			scoped_guard(rcu)
				more = bl_rule_next(rules->dirs[i], &serial,
						    name, &rule);
			if (!more)
				break;
			type = bl_dir_rule_type(dir, name, true, &ino);
			if (type == DT_UNKNOWN)
				continue;
			if (type >= 0)
				type = bl_merge_add(merge, name, strlen(name),
						    ino, type, 0);
			if (type < 0)
				return type;
		}
	}
	return 0;
}

static int bl_merge_order(const struct bl_merge_entry *x,
			  const struct bl_merge_entry *y)
{
	int diff;

	if (x->pos != y->pos)
		return x->pos < y->pos ? -1 : 1;
	diff = x->len - y->len ?: memcmp(x->name, y->name, x->len);
	return diff ?: x->layer - y->layer;
}

/*
 * Bring the names into @merge->sorted, nearly in their order. Positions are
 * hashes: one for each of as many parts of their range as there are names.
 */
static int bl_merge_spread(struct bl_merge *merge)
{
	u64 last = min(merge->end, BL_MERGE_LIMIT) - merge->start;
	unsigned int bits = min(fls(merge->count), BL_MERGE_BITS);
	unsigned int shift = max_t(int, fls64(last) - bits, 0);
	struct bl_merge_iter iter = {};
	struct bl_merge_entry *entry;
	unsigned int i, n, sum = 0;
	u32 *parts;

	parts = kvcalloc(BIT(bits), sizeof(*parts), GFP_KERNEL_ACCOUNT);
	if (!parts)
		return -ENOMEM;
	for (i = 0; i < merge->count; i++) {
		entry = bl_merge_next(merge, &iter);
		parts[(entry->pos - merge->start) >> shift]++;
	}
	for (i = 0; i < BIT(bits); i++) {
		n = parts[i];
		parts[i] = sum;
		sum += n;
	}
	memset(&iter, 0, sizeof(iter));
	for (i = 0; i < merge->count; i++) {
		entry = bl_merge_next(merge, &iter);
		n = parts[(entry->pos - merge->start) >> shift]++;
		merge->sorted[n] = entry;
	}
	kvfree(parts);
	return 0;
}

static int bl_merge_sort(struct bl_merge *merge)
{
	struct bl_merge_entry *entry, *last = NULL;
	unsigned int i, at;
	int err;

	merge->nr = 0;
	if (merge->limit < merge->count) {
		kvfree(merge->sorted);
		merge->limit = 0;
		merge->sorted = kvmalloc_array(merge->count,
					       sizeof(*merge->sorted),
					       GFP_KERNEL_ACCOUNT);
		if (!merge->sorted)
			return -ENOMEM;
		merge->limit = merge->count;
	}
	if (!merge->count)
		return 0;
	err = bl_merge_spread(merge);
	if (err)
		return err;
	for (i = 1; i < merge->count; i++) {
		entry = merge->sorted[i];
		for (at = i; at && bl_merge_order(merge->sorted[at - 1],
						  entry) > 0; at--)
			merge->sorted[at] = merge->sorted[at - 1];
		merge->sorted[at] = entry;
	}
	for (i = 0; i < merge->count; i++) {
		entry = merge->sorted[i];
		if (last && last->len == entry->len &&
		    !memcmp(last->name, entry->name, entry->len))
			continue;
		last = entry;
		merge->sorted[merge->nr++] = entry;
	}
	return 0;
}

static void bl_merge_close_files(struct bl_merge *merge)
{
	while (merge->nr_files)
		fput(merge->files[--merge->nr_files]);
	kfree(merge->files);
	merge->files = NULL;
}

/* The file in which the directory @layer is open already, or NULL. */
static struct file *bl_merge_opened(const struct bl_merge *merge,
				    const struct bl_layer *layer)
{
	unsigned int i;

	for (i = 0; i < merge->nr_files; i++)
		if (merge->files[i]->f_path.dentry == layer->path.dentry)
			return get_file(merge->files[i]);
	return NULL;
}

/* Open @layer as the one who has opened @file, if that is permitted. */
static struct file *bl_merge_open_layer(const struct bl_layer *layer,
					const struct file *file)
{
	struct path path = {
		.mnt = layer->mnt->mnt,
		.dentry = layer->path.dentry,
	};
	const struct cred *old = override_creds(file->f_cred);
	int err;

	err = inode_permission(mnt_idmap(path.mnt), d_inode(path.dentry),
			       MAY_OPEN | MAY_READ);
	revert_creds(old);
	return err ? ERR_PTR(err) :
		     dentry_open(&path, file->f_flags, file->f_cred);
}

/*
 * What @dentry is made of, as far as the one who has opened @file may come to it.
 * @alone: set to whether that is no more than what is seen of it: it was opened from
 * a working directory, say, by somebody who could not come by its path.
 */
static int bl_merge_find(struct dentry *dentry, const struct file *file,
			 struct bl_where *where, struct bl_mnt **mnt,
			 bool *alone)
{
	const struct cred *creds[] = {
		file->f_cred, bl_tree(dentry->d_sb)->cred,
	};
	const struct cred *old;
	unsigned int i;
	int err;

	for (i = 0; i < ARRAY_SIZE(creds); i++) {
		*alone = i;
		old = override_creds(creds[i]);
		err = bl_dentry_walk(dentry, where, mnt, NULL);
		revert_creds(old);
		if (err != -EACCES)
			break;
		bl_where_put(where);
		bl_mnt_put(*mnt);
	}
	return err;
}

/*
 * Open what @dentry is made of now with the opener's credentials. What it was
 * made of when it was opened goes on to be listed where that cannot be told.
 * @ruled: set to whether names in it may have rules
 */
static int bl_merge_open_layers(struct bl_merge *merge, struct dentry *dentry,
				const struct file *file, bool *ruled)
{
	struct bl_merge opened = {};
	struct bl_where where;
	struct bl_mnt *mnt;
	struct file *real;
	unsigned int i;
	bool alone;
	int err;

	err = bl_merge_find(dentry, file, &where, &mnt, &alone);
	/* One step is enough only where there are none below in any view. */
	*ruled = err || !where.stepped;
	if (!err && where.denied) {
		err = merge->nr_files ? 0 : where.denied;
		goto out;
	}
	if (err || !where.merged) {
		if (err != -ENOMEM)
			err = 0;
		goto out;
	}
	err = -ENOMEM;
	opened.files = kcalloc(where.nr, sizeof(*opened.files),
			       GFP_KERNEL_ACCOUNT);
	if (!opened.files)
		goto out;
	for (i = 0, err = 0; i < where.nr; i++) {
		struct bl_layer *layer = &where.layers[i];

		if (!layer->path.dentry || !d_can_lookup(layer->path.dentry))
			continue;
		real = bl_merge_opened(merge, layer);
		if (!real && alone && layer->path.dentry != where.path.dentry)
			real = ERR_PTR(-EACCES);
		if (!real)
			real = bl_merge_open_layer(layer, file);
		if (IS_ERR(real)) {
			err = PTR_ERR(real);
			break;
		}
		opened.files[opened.nr_files++] = real;
	}
	if (!err) {
		swap(merge->files, opened.files);
		swap(merge->nr_files, opened.nr_files);
	}
	bl_merge_close_files(&opened);
	/* What was opened once can be listed for as long as it is open. */
	if (alone && err == -EACCES && merge->nr_files)
		err = 0;
out:
	bl_where_put(&where);
	bl_mnt_put(mnt);
	return err;
}

/* What changes when one of the directories does. */
static u64 bl_merge_version(const struct bl_merge *merge)
{
	struct timespec64 mtime;
	struct inode *inode;
	unsigned int i;
	u64 sum = 0;

	for (i = 0; i < merge->nr_files; i++) {
		inode = file_inode(merge->files[i]);
		mtime = inode_get_mtime(inode);
		/* Not all filesystems count; times may stand still. */
		if (IS_I_VERSION(inode))
			sum += inode_query_iversion(inode);
		sum = sum * GOLDEN_RATIO_64 + mtime.tv_sec + mtime.tv_nsec +
		      i_size_read(inode) + IS_DEADDIR(inode);
	}
	return sum;
}

/* Read all layers until nothing has changed in between. */
static int bl_merge_read_all(struct bl_merge *merge, struct bl_dir_rules *rules)
{
	unsigned int i, dead, passes = 0;
	u64 version;
	int err = 0;

	do {
		version = bl_merge_version(merge);
		for (i = 0, dead = 0; !err && i < merge->nr_files; i++) {
			err = bl_merge_read_layer(merge, rules, i);
			dead += IS_DEADDIR(file_inode(merge->files[i]));
		}
		if (!err)
			err = bl_merge_sort(merge);
	} while (!err && version != bl_merge_version(merge) &&
		 ++passes < BL_MERGE_PASSES);
	return err ?: dead && dead == merge->nr_files ? -ENOENT : 0;
}

/*
 * Have all that @file is made of now, and the names in it that have rules, which are
 * for bl_dir_rules_put().
 */
static int bl_merge_renew(struct bl_merge *merge, const struct file *file,
			  struct bl_dir_rules *rules)
{
	struct dentry *dentry = file->f_path.dentry;
	bool ruled;
	int err;

	memset(rules, 0, sizeof(*rules));
	err = bl_merge_open_layers(merge, dentry, file, &ruled);
	return err || !ruled ? err : bl_dir_rules_get(dentry, true, rules);
}

/* How it is listed until it begins again. */
static void bl_merge_choose(struct bl_merge *merge,
			    const struct bl_dir_rules *rules)
{
	merge->direct = merge->nr_files == 1 && !rules->nr;
}

/* Read the names from position @start on. */
static int bl_merge_fill(struct bl_merge *merge, const struct file *file,
			 struct bl_dir_rules *rules, u64 start)
{
	int err;

	merge->start = start;
	merge->end = BL_MERGE_END;
	err = bl_merge_read_all(merge, rules);
	if (!err && rules->nr) {
		err = bl_merge_read_rules(merge, file->f_path.dentry, rules);
		if (!err)
			err = bl_merge_sort(merge);
	}
	if (err)
		bl_merge_forget(merge);
	return err;
}

/* Whoever begins again is told what is there now, and by positions to suit that. */
static int bl_merge_begin(struct bl_merge *merge, const struct file *file)
{
	struct bl_dir_rules rules;
	loff_t pos;
	int err;

	bl_merge_forget(merge);
	err = bl_merge_renew(merge, file, &rules);
	if (err) {
		merge->direct &= merge->nr_files == 1;
		return err;
	}
	bl_merge_choose(merge, &rules);
	if (merge->direct) {
		/* btrfs lists what there was when it was last told so. */
		pos = vfs_llseek(merge->files[0], 0, SEEK_SET);
		err = min(pos, 0);
	} else {
		err = bl_merge_fill(merge, file, &rules, BL_MERGE_FIRST);
	}
	bl_dir_rules_put(&rules);
	return err;
}

/* Whoever reads on from @start is told what is there now from there on. */
static int bl_merge_go_on(struct bl_merge *merge, const struct file *file,
			  u64 start)
{
	struct bl_dir_rules rules;
	int err;

	bl_merge_forget(merge);
	err = bl_merge_renew(merge, file, &rules);
	if (err)
		return err;
	err = bl_merge_fill(merge, file, &rules, start);
	bl_dir_rules_put(&rules);
	return err;
}

static bool bl_merge_emit_dots(struct bl_merge *merge, struct dir_context *ctx)
{
	for (; ctx->pos < BL_MERGE_FIRST; ctx->pos++)
		if (!dir_emit(ctx, "..", ctx->pos + 1, merge->dots[ctx->pos],
			      DT_DIR))
			return false;
	return true;
}

/**
 * bl_merge_iterate - ->iterate_shared() of a directory that is made of several
 * @file: open directory
 * @ctx: where to list to
 *
 * Return: 0, -ENOMEM, -EINTR, or an error of a filesystem behind.
 */
int bl_merge_iterate(struct file *file, struct dir_context *ctx)
{
	struct bl_merge *merge = bl_file_merge(file);
	unsigned int i;
	int err = 0;

	if (!ctx->pos)
		err = bl_merge_begin(merge, file);
	if (err)
		return err;
	if (merge->direct) {
		merge->files[0]->f_pos = ctx->pos;
		return iterate_dir(merge->files[0], ctx);
	}
	while (ctx->pos < BL_MERGE_END) {
		u64 pos = max_t(u64, ctx->pos, BL_MERGE_FIRST);

		if (pos < merge->start || pos >= merge->end) {
			err = bl_merge_go_on(merge, file, pos);
			if (err)
				return err;
		}
		if (!bl_merge_emit_dots(merge, ctx))
			return 0;
		for (i = bl_merge_search(merge, pos); i < merge->nr; i++) {
			struct bl_merge_entry *entry = merge->sorted[i];

			ctx->pos = entry->pos;
			if (!dir_emit(ctx, entry->name, entry->len, entry->ino,
				      entry->type))
				return 0;
			ctx->pos = entry->pos + 1;
		}
		ctx->pos = merge->end;
	}
	/* Few read on from here. */
	bl_merge_forget(merge);
	return 0;
}

/**
 * bl_merge_llseek - ->llseek() of a directory that is made of several
 * @file: open directory
 * @offset: as for lseek(2)
 * @whence: as for lseek(2); positions are those that listing gave
 *
 * Return: the new position, -EINVAL, or an error of the filesystem behind.
 */
loff_t bl_merge_llseek(struct file *file, loff_t offset, int whence)
{
	struct bl_merge *merge = bl_file_merge(file);

	if (whence == SEEK_CUR && !offset)
		return file->f_pos;
	if (merge->direct)
		return bl_file_llseek(file, merge->files[0], offset, whence);
	if (whence != SEEK_SET || offset < 0)
		return -EINVAL;
	file->f_pos = offset;
	return offset;
}

/**
 * bl_merge_open - open all that a directory is made of
 * @file: directory that is being opened
 *
 * Return: what listing it needs, for bl_merge_release(), NULL if it is not made
 * of several any more, or ERR_PTR().
 */
struct bl_merge *bl_merge_open(const struct file *file)
{
	struct bl_merge *merge = kzalloc(sizeof(*merge), GFP_KERNEL_ACCOUNT);
	struct bl_dir_rules rules;
	int err;

	if (!merge)
		return ERR_PTR(-ENOMEM);
	merge->used = BL_MERGE_CHUNK;
	merge->dots[0] = 1;
	merge->dots[1] = 1;
	err = bl_merge_renew(merge, file, &rules);
	if (!err) {
		/* Somebody may seek before it is read. */
		bl_merge_choose(merge, &rules);
		bl_dir_rules_put(&rules);
		if (merge->nr_files)
			return merge;
	}
	bl_merge_release(merge);
	return ERR_PTR(err);
}

/**
 * bl_merge_release - undo bl_merge_open()
 * @merge: what it returned
 */
void bl_merge_release(struct bl_merge *merge)
{
	bl_merge_forget(merge);
	bl_merge_close_files(merge);
	kfree(merge);
}
