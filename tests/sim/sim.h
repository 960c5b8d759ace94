/*
 * The simulated driver's core: what its files share.
 *
 * One recursive lock guards everything here except the running of kernels and copies under the
 * `threads` scheduler. An operation (struct sim_op) is a node in its stream's queue; it may
 * start when the one before it and everything in `waits` is done. Done-ness and virtual end
 * time live in a mark, which outlives the operation.
 */
#ifndef SIM_H
#define SIM_H

#include "sim_kernel.h"

#include <cuda.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_EXPORT __attribute__((visibility("default")))
#define SIM_PAGE                                                                               \
	((size_t)2 << 20) /* granularity of physical memory, as on every card since Volta */
#define SIM_DEVICES 4
#define SIM_MULTIPROCESSORS 16
#define SIM_MULTIPROCESSOR_THREADS 2048
#define SIM_BLOCK_THREADS 1024
#define SIM_CALL_NS 300.0 /* of host time that any call takes; a launch near 2 us */
#define SIM_LAUNCH_NS 2000.0
/* Tens of milliseconds are expected for kernels as short as ours; no card has been asked. */
#define SIM_JIT_NS 30e6
/* Of host time that a "not yet" takes: whoever polls also sleeps a little between two polls. */
#define SIM_NOT_YET_NS 5000.0

enum sim_scheduler { SIM_VIRTUAL, SIM_SEEDED, SIM_THREADS };
enum sim_engine { SIM_COMPUTE, SIM_COPY_IN, SIM_COPY_OUT, SIM_NO_ENGINE, SIM_ENGINES };

/* From the environment, at first use; immutable after. Rates in bytes per nanosecond, which is
 * GB/s. */
struct sim_config {
	uint64_t vram_bytes[SIM_DEVICES], host_bytes, context_bytes;
	int devices, driver_version;
	double h2d_rate, d2h_rate, vram_rate, zero_copy_share, zero_copy_write_share;
	bool peers; /* each card reaches the others' memory, once told to */
	bool host_numa;
	int numa_claimed; /* what the device says is its node; -1: there is no NUMA */
	int numa_node;	  /* the only node that frames can be made on */
	bool jit;	  /* there is a compiler for PTX text */
	double jit_ns;	  /* of host time that it takes for one text */
	int cubin_abi;	  /* the latest form of cubins that the driver reads */
	enum sim_scheduler scheduler;
	uint64_t seed;
};
extern struct sim_config sim_config;

void sim_config_read(void); /* once, with the lock held */

/* One card's entry of a setting that names a value for each, comma by comma; the last holds for
 * the cards after it. False: the setting is absent, or its entry empty. The rest of the setting
 * is never read past `room`. */
bool sim_setting_of(const char *name, int device, char *out, size_t room);
/* 86: compute capability 8.6. */
unsigned int sim_compute_capability(int device);
/* A number of the environment, with K, M or G; a bad one is said so once and `fallback` holds.
 */
double sim_setting_number(const char *name, double fallback);
extern bool sim_initialized; /* cuInit succeeded */

/* Reference-counted; guarded by the lock. */
struct sim_mark {
	bool done;
	double start_ns, end_ns;
	double dependents_ns; /* when a programmatic dependent launch behind it may start */
	int references;
};
struct sim_mark *sim_mark_new(void);
struct sim_mark *sim_mark_hold(struct sim_mark *mark); /* NULL is fine */
void sim_mark_drop(struct sim_mark *mark);	       /* NULL is fine */

/* A piece of memory that an operation has touched, within one region. */
struct sim_range {
	uintptr_t start, end;
	bool write;
	uint64_t frame, offset;	    /* 0: it is not a mapped frame's; else where in the frame */
	unsigned long long mapping; /* rises with each mapping made */
};

struct sim_op {
	struct sim_op *next;
	struct CUstream_st *stream;
	struct sim_mark *mark, **waits;
	size_t wait_count;
	double queued_ns, duration_ns;
	/* Of a programmatic dependent launch: the kernel before it, whose end it need not wait
	 * for; and what it does before it waits for that end itself. NULL: an ordinary one. */
	struct sim_mark *primary;
	double before_wait_ns;
	bool lets_dependents; /* it lets such a launch start so long after its own start */
	double dependents_after_ns;
	double bus_in_ns, bus_out_ns; /* what a kernel's zero-copy accesses take of the bus */
	enum sim_engine engine;
	/* One piece of the work; true when it was the last. May add to duration_ns. Runs where
	 * a bad address becomes an error of the context. */
	bool (*step)(struct sim_op *op);
	/* NULL: as soon as its turn comes. Else asked, with the lock held, whether it may
	 * start. */
	bool (*may_start)(struct sim_op *op);
	void (*release)(struct sim_op *op); /* frees `data`; NULL: free() */
	void *data;
	bool started, running;
	bool is_kernel;
	bool keeps_primary; /* a dependent launch behind it still goes with the kernel before */
	bool in_kernel;	    /* between two steps of a kernel: its touches are in flight */
	bool despite_error; /* it runs though its context is lost: a callback, which is told */
	struct sim_range *touched;
	size_t touched_count, touched_room;
};

struct CUctx_st {
	int device;
	bool primary, alive;
	unsigned int flags;
	int references;
	CUresult sticky; /* ILLEGAL_ADDRESS and its kind: every later call answers so */
	struct CUstream_st *legacy;
};

struct CUstream_st {
	struct CUstream_st *next; /* in the list of all */
	struct CUctx_st *context;
	unsigned int flags;
	int priority;
	bool legacy, destroyed;
	const void *per_thread; /* names the thread whose default it is; NULL: nobody's */
	struct sim_op *head, *tail;
	struct sim_mark *last;	  /* of the newest operation, done or not; NULL: none yet */
	struct sim_mark *primary; /* of the kernel that a dependent launch would go with */
	unsigned long long id;
};

struct CUevent_st {
	unsigned int flags;
	struct sim_mark *mark; /* of the newest record; NULL: never recorded */
	struct CUctx_st *context;
	bool live;
	struct CUevent_st *next_spare;
};

struct CUfunc_st {
	const struct sim_kernel *kernel;
	struct CUmod_st *module;
};

struct CUmod_st {
	bool live;
	struct CUctx_st *context; /* with which it ends; NULL: a library */
	void *object;		  /* of dlopen; NULL: built-in kernels */
	struct CUfunc_st *functions;
	size_t function_count;
};

/* --- a call of the program (call.c)
 * ------------------------------------------------------------- */
struct sim_call {
	const char *name;
	CUresult
	    result; /* not success: answer this at once (injected, or the context is lost) */
	bool outermost;
	double begin_ns;
};
struct sim_call sim_call_begin(const char *name, bool needs_context);
void sim_call_end(struct sim_call *call);
CUresult sim_call_answer(struct sim_call *call, CUresult result);

/* First line of each driver function; the lock is held until it returns. */
#define SIM_CALL_AS(symbol, needs_context)                                                     \
	struct sim_call sim_this_call __attribute__((cleanup(sim_call_end))) =                 \
	    sim_call_begin(symbol, needs_context);                                             \
	if (sim_this_call.result != CUDA_SUCCESS)                                              \
	return sim_this_call.result
#define SIM_CALL() SIM_CALL_AS(__func__, true)
#define SIM_CALL_ANYWHERE() SIM_CALL_AS(__func__, false)
#define SIM_ANSWER(result) return sim_call_answer(&sim_this_call, (result))

extern bool sim_null_memory_on; /* vmm.c */

/* While a host function runs on this thread: it may not call the driver. */
extern _Thread_local bool sim_in_host_function;

void sim_lock(void);
void sim_unlock(void);
/* Waits with the lock let go, whatever its depth; sim_pause: for a moment; sim_breathe: only
 * where threads go by the token (token/), so that others may call the driver meanwhile. */
void sim_wait_condition(pthread_cond_t *condition);
void sim_pause(void);
void sim_breathe(void);
/* What the report tells; any thread, with the lock. */
enum sim_counter {
	SIM_BYTES_H2D,
	SIM_BYTES_D2H,
	SIM_BYTES_ZERO_COPY,
	SIM_ILLEGAL_ACCESSES,
	SIM_REMAP_RACES,
	SIM_ALIAS_RACES,
	SIM_TORN_READS,
	SIM_UNKNOWN_STREAMS, /* asked about: a real driver may crash */
	SIM_COUNTERS
};
void sim_count(enum sim_counter counter, uint64_t amount);
uint64_t sim_counted(enum sim_counter counter);

/* --- time and order (schedule.c)
 * ----------------------------------------------------------------- */
extern double sim_host_ns; /* the host's virtual time; guarded by the lock */
void sim_host_spend(double ns);
/* Is anything of any stream not over by the host's time? */
bool sim_working(void);
/* Takes the operation over. */
void sim_enqueue(CUstream stream, struct sim_op *op);
struct sim_op *sim_op_new(enum sim_engine engine, bool (*step)(struct sim_op *), void *data);
void sim_op_wait_for(struct sim_op *op, struct sim_mark *mark); /* NULL is fine */
double sim_op_start_ns(struct sim_op *op);			/* of one whose step runs */
/* The host waits: runs what must run, and moves the host's time to the mark's end. */
CUresult sim_wait_mark(struct sim_mark *mark);
CUresult sim_wait_stream(CUstream stream);
CUresult sim_wait_context(struct CUctx_st *context);
/* Has it ended by the host's time? Runs what decides that. */
bool sim_ended(struct sim_mark *mark);
void sim_seeded_progress(void);
bool sim_drop_stream(CUstream stream);

/* --- what is touched in flight (touch.c)
 * ------------------------------------------------------------------ */
/* Counts a remap of [start, end) against what is in flight. */
void sim_check_remap(uintptr_t start, uintptr_t end);
/* The operation accesses accessible memory: counts it against what is in flight and touches the
 * same bytes of a frame through another mapping. */
void sim_touch(struct sim_op *op, uintptr_t start, size_t bytes, bool write);

/* Do the cards fault on managed memory, so that it moves while work runs? (device.c) */
bool sim_concurrent_managed(void);

/* --- contexts, streams
 * ---------------------------------------------------------------------------- */
CUcontext sim_context(void); /* current; NULL: none */
bool sim_context_known(CUcontext context);
/* May kernels of the device reach what was allocated in another card's context? (peer.c) */
bool sim_peer_reaches(int device, CUcontext context);
void sim_peer_forget(CUcontext context);
/* NULL, CU_STREAM_LEGACY, CU_STREAM_PER_THREAD or a handle -> a stream of the current context;
 * NULL: invalid. */
CUstream sim_stream(CUstream stream);
/* The handle as stream capture knows it: what NULL means here made plain. */
CUstream sim_stream_named(CUstream stream);
CUstream sim_stream_new(struct CUctx_st *context, unsigned int flags);
extern struct CUstream_st *sim_streams;
/* NULL means the per-thread stream while a _ptsz or _ptds function runs. */
extern _Thread_local bool sim_default_is_per_thread;

/* --- memory (space.c, physical.c)
 * -------------------------------------------------------------------- */
enum sim_kind {
	SIM_NOTHING,
	SIM_RESERVED, /* addresses without memory */
	SIM_MAPPED,   /* a frame at a reserved address */
	SIM_LINEAR,
	SIM_MANAGED,
	SIM_HOST_ALLOC,
	SIM_HOST_REGISTERED,
	SIM_MODULE_GLOBAL
};
struct sim_region {
	uintptr_t start, end;
	enum sim_kind kind;
	bool host;  /* the memory is in RAM: a kernel reaches it over the bus */
	int device; /* of device memory */
	unsigned int readable, writable; /* bit d: by device d */
	CUcontext context;		 /* where it was made; NULL: none in particular */
	uint64_t frame; /* SIM_MAPPED: whose; SIM_LINEAR: not 0 if it shares its page */
	unsigned long long reservation; /* SIM_RESERVED, SIM_MAPPED */
	uint64_t offset;		/* of device memory in its file */
	unsigned long long id;
	bool sync_memops; /* goes with the mapping */
};
/* The region that holds the address; NULL: none. Valid until the next change. */
struct sim_region *sim_region_at(uintptr_t address);
struct sim_region *
sim_region_after(const struct sim_region *region); /* the next higher; NULL: none */
/* False: out of host memory, or it overlaps another. Reserved regions may hold mapped ones. */
bool sim_region_add(const struct sim_region *region);
void sim_region_remove(uintptr_t start);
struct sim_region *sim_region_next(uintptr_t address); /* the first at or above; NULL: none */
bool sim_region_reserved(uintptr_t start, uintptr_t end);
bool sim_region_map(const struct sim_region *mapping); /* where only reserved addresses are */
void sim_region_unmap(uintptr_t start);		       /* reserved again */
/* May the device access all of it? Adds up what of it is in VRAM and in RAM. */
bool sim_accessible(int device, uintptr_t start, size_t bytes, bool write, uint64_t *vram_bytes,
		    uint64_t *ram_bytes);

/* Tells whether addresses are still mapped to what they were mapped to. */
struct sim_places {
	uint64_t sum;
};
/* Adds what [start, start + bytes) is mapped to. */
void sim_places_of(uintptr_t start, size_t bytes, struct sim_places *places);

struct sim_physical {
	bool host;
	int device;
	uint64_t offset, bytes;
};
CUresult sim_physical_take(bool host, int device, uint64_t bytes, struct sim_physical *out);
void sim_physical_give(const struct sim_physical *memory);
int sim_physical_file(bool host, int device);
/* Backs with large pages what has just been made and is mapped readable at `at`. */
void sim_physical_settle(const struct sim_physical *memory, uintptr_t at);
CUresult sim_linear_free(CUdeviceptr address);
CUresult sim_linear_alloc(CUcontext context, size_t bytes, CUdeviceptr *out);
/* The same on another device than the context's. */
CUresult sim_linear_alloc_on(int device, CUcontext context, size_t bytes, CUdeviceptr *out);
CUdeviceptr sim_array_memory(CUarray array); /* 0: it is not known */
void sim_forget_context_memory(CUcontext context);
/* Memory of the card that no allocation of the program's names: managed pages, page tables. */
CUresult sim_vram_charge(int device, uint64_t bytes);
void sim_vram_return(int device, uint64_t bytes);
/* A mapping whose accessibility by the device becomes this: its page tables come or go. Out of
 * memory: nothing has changed. */
CUresult sim_tables_follow(const struct sim_region *mapping, int device, bool accessible);
uint64_t sim_vram_used(int device), sim_vram_peak(void), sim_host_peak(void),
    sim_host_used(void);

/* --- modules
 * --------------------------------------------------------------------------------------------
 */
const struct sim_kernel *sim_kernel_of(CUfunction function); /* NULL: no such function */
/* With which the function ends; NULL: a library's, or none. */
CUcontext sim_function_context(CUfunction function);
unsigned int
sim_blocks_at_once(uint64_t threads); /* of so many threads each, on a whole card */
CUresult sim_param_info(CUfunction function, size_t index, size_t *offset, size_t *bytes);
void sim_forget_context_modules(CUcontext context);
extern const struct sim_kernel *const sim_builtin_kernels[];
extern const size_t sim_builtin_kernel_count;
/* For twins of kernels that take part in programmatic dependent launch (launch.c): this block
 * lets the kernel behind it start; this one waits here for the end of the one before it. */
void sim_launch_dependents(const struct sim_block *self);
void sim_wait_for_primary(const struct sim_block *self);
/* For twins of kernels that reach memory by a way of their own (launch.c): a fault, if the
 * address is a host frame's and the setting says that it cannot be reached so. */
enum sim_way {
	SIM_WAY_READ_ONLY,
	SIM_WAY_VECTORS,
	SIM_WAY_ASYNC_COPY,
	SIM_WAY_BULK_COPY,
	SIM_WAY_TMA,
	SIM_WAY_SYSTEM_ATOMICS,
	SIM_WAY_VECTOR_ATOMICS,
	SIM_WAY_WIDE_VECTORS,
	SIM_WAY_BULK_STORE,
	SIM_WAY_TMA_STORE
};
void sim_reach_by(const struct sim_block *self, enum sim_way way, const void *address);
extern const struct sim_kernel *const sim_access_twins[];
extern const size_t sim_access_twin_count;
extern const struct sim_kernel *const sim_probe_kernels[];
extern const size_t sim_probe_kernel_count;
extern const struct sim_kernel *const sim_probe_twins[];
extern const size_t sim_probe_twin_count;

#endif
