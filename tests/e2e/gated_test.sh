#!/usr/bin/env bash
# Whatever can give the device work, make a context or a stream's end, or hand out what memory is made of, goes through
# a wrapper in each of its versions: passed on untouched it could run while mappings change, or unseen. Of the forms of
# before CUDA 4 only those that take no 32-bit pointers: paged addresses do not fit those.
. "$(dirname "$0")/lib.sh"
must='^cu(Launch|LaunchGrid|LaunchGridAsync|LaunchKernel.*|LaunchCooperative.*|GraphLaunch.*|GraphInstantiate.*|GraphExecUpdate.*|GraphExec.*SetParams.*|Memcpy.*|Memset.*|MemBatchDecompress.*|Stream(Write|Wait)Value.*|StreamBatchMemOp.*|CtxCreate.*|CtxDestroy.*|CtxDetach|GreenCtxCreate|GreenCtxDestroy|Stream(Create|Destroy).*|GreenCtxStreamCreate|StreamBegin(Capture|Recapture).*|FabricCpy.*|MemRetainAllocationHandle|MemGetHandleForAddressRange|MulticastBindAddr.*|LogicalEndpointBindAddr.*)$'
# Between arrays and host memory; with 32-bit pointers; nodes that touch no memory of ours.
may='^cuMemcpy(AtoA|AtoH|HtoA)|^cuMemcpy(AtoD|DtoA|DtoD|DtoDAsync|DtoH|DtoHAsync|HtoD|HtoDAsync|2D|2DAsync|2DUnaligned|3D|3DAsync)$|^cuMemset(D8|D16|D32|D2D8|D2D16|D2D32)$|^cuGraphExec(Host|ExternalSemaphores.*)NodeSetParams$'
for symbol in $(tools/api CALLED PASSED OTHER | cut -d' ' -f1); do
	[[ $symbol =~ $must ]] || continue
	if [[ $symbol =~ $may ]]; then pass; else fail "passed on untouched: $symbol"; fi
done
finish
