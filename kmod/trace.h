/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM bindlink

#if !defined(_BINDLINK_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _BINDLINK_TRACE_H

#include <linux/tracepoint.h>

DECLARE_EVENT_CLASS(bl_link_class,
	TP_PROTO(u64 id, const char *virtual, const char *backing),
	TP_ARGS(id, virtual, backing),
	TP_STRUCT__entry(
		__field(u64, id)
		__string(virtual, virtual)
		__string(backing, backing)
	),
	TP_fast_assign(
		__entry->id = id;
		__assign_str(virtual);
		__assign_str(backing);
	),
	TP_printk("id=%llu virtual=%s backing=%s", __entry->id,
		  __get_str(virtual), __get_str(backing))
);

DEFINE_EVENT(bl_link_class, bl_link_create,
	TP_PROTO(u64 id, const char *virtual, const char *backing),
	TP_ARGS(id, virtual, backing));

DEFINE_EVENT(bl_link_class, bl_link_remove,
	TP_PROTO(u64 id, const char *virtual, const char *backing),
	TP_ARGS(id, virtual, backing));

DEFINE_EVENT(bl_link_class, bl_lane_open,
	TP_PROTO(u64 id, const char *virtual, const char *backing),
	TP_ARGS(id, virtual, backing));

DEFINE_EVENT(bl_link_class, bl_lane_close,
	TP_PROTO(u64 id, const char *virtual, const char *backing),
	TP_ARGS(id, virtual, backing));

TRACE_EVENT(bl_refuse,
	TP_PROTO(const char *virtual, int error),
	TP_ARGS(virtual, error),
	TP_STRUCT__entry(
		__string(virtual, virtual)
		__field(int, error)
	),
	TP_fast_assign(
		__assign_str(virtual);
		__entry->error = error;
	),
	TP_printk("virtual=%s error=%d", __get_str(virtual), __entry->error)
);

TRACE_EVENT(bl_resolve,
	TP_PROTO(u64 id, const char *backing, int error, unsigned int proof),
	TP_ARGS(id, backing, error, proof),
	TP_STRUCT__entry(
		__field(u64, id)
		__string(backing, backing)
		__field(int, error)
		__field(unsigned int, proof)
	),
	TP_fast_assign(
		__entry->id = id;
		__assign_str(backing);
		__entry->error = error;
		__entry->proof = proof;
	),
	TP_printk("id=%llu backing=%s error=%d proof=%u", __entry->id,
		  __get_str(backing), __entry->error, __entry->proof)
);

#endif /* _BINDLINK_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
