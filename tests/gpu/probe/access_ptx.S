/* PTX texts, each ended by a zero byte: kernels of the trials of kinds of access, for cards since Pascal, Ampere, Hopper,
 * Blackwell. */
	.section .rodata
	.globl probe_access_ptx
probe_access_ptx:
	.incbin "tests/gpu/probe/access.ptx"
	.byte 0
	.globl probe_access_sm80_ptx
probe_access_sm80_ptx:
	.incbin "tests/gpu/probe/access_sm80.ptx"
	.byte 0
	.globl probe_access_sm90_ptx
probe_access_sm90_ptx:
	.incbin "tests/gpu/probe/access_sm90.ptx"
	.byte 0
	.globl probe_access_sm100_ptx
probe_access_sm100_ptx:
	.incbin "tests/gpu/probe/access_sm100.ptx"
	.byte 0
	.section .note.GNU-stack,"",%progbits
