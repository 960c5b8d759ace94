/* Stream capture: streams that record a graph instead of working, and events that carry it
 * across. */
#include "capture.h"

#include "graph.h"
#include "sim.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One capture may span several streams; it ends at the stream where it began. */
struct capture {
	CUgraph graph;
	CUstream origin;
	CUcontext context;
	CUstreamCaptureMode mode;
	pthread_t owner;
	cuuint64_t id;
	bool invalid;
};

/* What the next node in a stream, or after an event, depends on. */
struct place {
	struct place *next;
	const void *key; /* the stream or the event */
	bool is_event;
	struct capture *capture;
	CUgraphNode *deps;
	size_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct place *places;
static cuuint64_t next_id = 1;
static _Thread_local CUstreamCaptureMode thread_mode = CU_STREAM_CAPTURE_MODE_GLOBAL;

static struct place *place_find(const void *key, bool is_event)
{
	struct place *p = places;

	while (p && (p->key != key || p->is_event != is_event))
		p = p->next;
	return p;
}

static struct place *place_get(const void *key, bool is_event, struct capture *capture)
{
	struct place *p = place_find(key, is_event);

	if (!p) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		p->key = key;
		p->is_event = is_event;
		p->next = places;
		places = p;
	}
	p->capture = capture;
	return p;
}

/* Adds the other place's dependencies; a dependency twice is harmless. */
static bool place_join(struct place *to, const CUgraphNode *deps, size_t count)
{
	CUgraphNode *grown = realloc(to->deps, (to->count + count + 1) * sizeof(*grown));

	if (!grown)
		return false;
	if (count)
		memcpy(grown + to->count, deps, count * sizeof(*grown));
	to->deps = grown;
	to->count += count;
	return true;
}

static void capture_forget(struct capture *capture)
{
	for (struct place **link = &places; *link;) {
		struct place *p = *link;

		if (p->capture != capture) {
			link = &p->next;
			continue;
		}
		*link = p->next;
		free(p->deps);
		free(p);
	}
}

bool sim_capturing(CUstream stream)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = place_find(stream, false) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

static CUresult add(CUstream stream, CUgraphNodeType type, const void *params)
{
	CUresult result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	struct place *p;
	CUgraphNode node;

	pthread_mutex_lock(&lock);
	p = place_find(stream, false);
	if (!p) {
		result = CUDA_ERROR_ILLEGAL_STATE;
	} else if (!p->capture->invalid) {
		result =
		    sim_graph_add(&node, p->capture->graph, p->deps, p->count, type, params);
		if (result == CUDA_SUCCESS) {
			p->count = 0;
			result =
			    place_join(p, &node, 1) ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
		}
	}
	pthread_mutex_unlock(&lock);
	return result;
}

CUresult sim_capture_kernel(CUstream stream, const CUDA_KERNEL_NODE_PARAMS_v2 *params)
{
	return add(stream, CU_GRAPH_NODE_TYPE_KERNEL, params);
}

CUresult sim_capture_memcpy(CUstream stream, const CUDA_MEMCPY3D *params)
{
	return add(stream, CU_GRAPH_NODE_TYPE_MEMCPY, params);
}

CUresult sim_capture_memset(CUstream stream, const CUDA_MEMSET_NODE_PARAMS *params)
{
	return add(stream, CU_GRAPH_NODE_TYPE_MEMSET, params);
}

CUresult sim_capture_host(CUstream stream, const CUDA_HOST_NODE_PARAMS *params)
{
	return add(stream, CU_GRAPH_NODE_TYPE_HOST, params);
}

CUresult sim_capture_record(CUstream stream, CUevent event)
{
	struct place *from, *to;
	bool joined = false;

	pthread_mutex_lock(&lock);
	from = place_find(stream, false);
	to = from ? place_get(event, true, from->capture) : NULL;
	if (to) {
		to->count = 0;
		joined = place_join(to, from->deps, from->count);
	}
	pthread_mutex_unlock(&lock);
	return joined ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_capture_wait(CUstream stream, CUevent event, bool *captured)
{
	CUresult result = CUDA_SUCCESS;
	struct place *from, *to;

	pthread_mutex_lock(&lock);
	from = place_find(event, true);
	to = place_find(stream, false);
	*captured = from || to;
	if (from && to && from->capture != to->capture) {
		from->capture->invalid = to->capture->invalid = true;
		result = CUDA_ERROR_STREAM_CAPTURE_MERGE;
	} else if (!from && to) {
		to->capture->invalid = true;
		result = CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
	} else if (from) {
		to = place_get(stream, false, from->capture);
		if (!to || !place_join(to, from->deps, from->count))
			result = CUDA_ERROR_OUT_OF_MEMORY;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

bool sim_capture_event_captured(CUevent event)
{
	bool found;

	pthread_mutex_lock(&lock);
	found = place_find(event, true) != NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

void sim_capture_event_forget(CUevent event)
{
	pthread_mutex_lock(&lock);
	for (struct place **link = &places; *link; link = &(*link)->next) {
		struct place *p = *link;

		if (p->key != event || !p->is_event)
			continue;
		*link = p->next;
		free(p->deps);
		free(p);
		break;
	}
	pthread_mutex_unlock(&lock);
}

CUresult sim_capture_forbid(CUstream stream)
{
	struct place *p;

	pthread_mutex_lock(&lock);
	p = place_find(stream, false);
	if (p)
		p->capture->invalid = true;
	pthread_mutex_unlock(&lock);
	return p ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : CUDA_SUCCESS;
}

/* A context is waited for as a whole: every capture in it is spoilt, whatever its mode. */
CUresult sim_capture_forbid_context(CUcontext context)
{
	CUresult result = CUDA_SUCCESS;

	pthread_mutex_lock(&lock);
	for (struct place *p = places; p; p = p->next)
		if (p->capture->context == context) {
			p->capture->invalid = true;
			result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
		}
	pthread_mutex_unlock(&lock);
	return result;
}

/* Global captures forbid unsafe calls in every thread, thread-local ones in their own. */
CUresult sim_capture_unsafe(void)
{
	CUresult result = CUDA_SUCCESS;

	if (thread_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
		return CUDA_SUCCESS;
	pthread_mutex_lock(&lock);
	for (struct place *p = places; p; p = p->next) {
		bool mine = pthread_equal(p->capture->owner, pthread_self());

		if (p->capture->mode == CU_STREAM_CAPTURE_MODE_RELAXED)
			continue;
		if (!mine && (p->capture->mode != CU_STREAM_CAPTURE_MODE_GLOBAL ||
			      thread_mode != CU_STREAM_CAPTURE_MODE_GLOBAL))
			continue;
		p->capture->invalid = true;
		result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	}
	pthread_mutex_unlock(&lock);
	return result;
}

SIM_EXPORT CUresult cuStreamBeginCapture_v2(CUstream stream, CUstreamCaptureMode mode)
{
	SIM_CALL_ANYWHERE();
	stream = sim_stream_named(stream);
	CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
	struct capture *capture;

	if (!stream || stream == CU_STREAM_LEGACY)
		return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
	if (sim_capturing(stream))
		return CUDA_ERROR_ILLEGAL_STATE;
	capture = calloc(1, sizeof(*capture));
	if (!capture)
		return CUDA_ERROR_OUT_OF_MEMORY;
	capture->origin = stream;
	capture->context = stream == CU_STREAM_PER_THREAD ? sim_context() : stream->context;
	capture->mode = mode;
	capture->owner = pthread_self();
	pthread_mutex_lock(&lock);
	if (cuGraphCreate(&capture->graph, 0) == CUDA_SUCCESS) {
		capture->id = next_id++;
		if (place_get(stream, false, capture))
			result = CUDA_SUCCESS;
		else
			cuGraphDestroy(capture->graph);
	}
	pthread_mutex_unlock(&lock);
	if (result != CUDA_SUCCESS)
		free(capture);
	return result;
}

/* Every node of a forked stream must lead back to the origin. */
static bool all_joined(struct capture *capture, const struct place *origin)
{
	for (struct place *p = places; p; p = p->next) {
		if (p->capture != capture || p == origin || p->is_event)
			continue;
		for (size_t i = 0; i < p->count; i++) {
			bool led = false;

			for (size_t o = 0; o < origin->count; o++)
				led = led || origin->deps[o] == p->deps[i];
			for (size_t n = 0; n < capture->graph->count; n++)
				for (size_t d = 0; d < capture->graph->nodes[n]->dep_count; d++)
					led = led ||
					      capture->graph->nodes[n]->deps[d] == p->deps[i];
			if (!led)
				return false;
		}
	}
	return true;
}

SIM_EXPORT CUresult cuStreamEndCapture(CUstream stream, CUgraph *out)
{
	SIM_CALL_ANYWHERE();
	stream = sim_stream_named(stream);
	CUresult result = CUDA_SUCCESS;
	struct capture *capture;
	struct place *p;

	if (!out)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	p = place_find(stream, false);
	capture = p ? p->capture : NULL;
	if (!capture)
		result = CUDA_ERROR_ILLEGAL_STATE;
	else if (capture->origin != stream)
		result = CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
	else if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED &&
		 !pthread_equal(capture->owner, pthread_self()))
		result = CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
	if (result != CUDA_SUCCESS) {
		pthread_mutex_unlock(&lock);
		return result;
	}
	if (capture->invalid)
		result = CUDA_ERROR_STREAM_CAPTURE_INVALIDATED;
	else if (!all_joined(capture, p))
		result = CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
	*out = result == CUDA_SUCCESS ? capture->graph : NULL;
	if (result != CUDA_SUCCESS)
		cuGraphDestroy(capture->graph);
	capture_forget(capture);
	pthread_mutex_unlock(&lock);
	free(capture);
	return result;
}

SIM_EXPORT CUresult cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus *status,
					      cuuint64_t *id, CUgraph *graph,
					      const CUgraphNode **deps,
					      const CUgraphEdgeData **edges, size_t *count)
{
	SIM_CALL_ANYWHERE();
	stream = sim_stream_named(stream);
	struct place *p;

	if (!status)
		return CUDA_ERROR_INVALID_VALUE;
	pthread_mutex_lock(&lock);
	p = place_find(stream, false);
	*status = CU_STREAM_CAPTURE_STATUS_NONE;
	if (p) {
		*status = p->capture->invalid ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
					      : CU_STREAM_CAPTURE_STATUS_ACTIVE;
		if (id)
			*id = p->capture->id;
		if (graph)
			*graph = p->capture->graph;
		if (deps)
			*deps = p->deps;
		if (edges)
			*edges = NULL;
		if (count)
			*count = p->count;
	}
	pthread_mutex_unlock(&lock);
	return CUDA_SUCCESS;
}

SIM_EXPORT CUresult cuStreamGetCaptureInfo_v2(CUstream stream, CUstreamCaptureStatus *status,
					      cuuint64_t *id, CUgraph *graph,
					      const CUgraphNode **deps, size_t *count)
{
	SIM_CALL_ANYWHERE();
	return cuStreamGetCaptureInfo_v3(stream, status, id, graph, deps, NULL, count);
}

SIM_EXPORT CUresult cuStreamIsCapturing(CUstream stream, CUstreamCaptureStatus *status)
{
	SIM_CALL_ANYWHERE();
	return cuStreamGetCaptureInfo_v3(stream, status, NULL, NULL, NULL, NULL, NULL);
}

SIM_EXPORT CUresult cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
	SIM_CALL_ANYWHERE();
	CUstreamCaptureMode old = thread_mode;

	if (!mode)
		return CUDA_ERROR_INVALID_VALUE;
	thread_mode = *mode;
	*mode = old;
	return CUDA_SUCCESS;
}
