/*
 * The two exported doors that must keep their caller: the real dlsym resolves RTLD_NEXT, and the real dlopen finds
 * its search path, by who called. Both end in a jump, never a call.
 *
 * dlsym(handle, name): ask door_dlsym_answer(handle, name, return address), else jump to the real one.
 * dlopen(file, mode): without RTLD_DEEPBIND (8), under which a plugin would see the driver's symbols before ours.
 */
#include "base/marks.inc"

/* Exported under both versions that the C library has had: a library before ours that asks for dlsym by version
 * (dlvsym, RTLD_NEXT) must not pass us by. */
#if defined(__x86_64__)
#define OLDEST GLIBC_2.2.5
#else
#define OLDEST GLIBC_2.17
#endif
#define DOOR(name, kind) DOOR_AT(name, kind, OLDEST)
#define DOOR_AT(name, kind, oldest) \
	.globl door_##name, door_##name##_oldest; \
	.type door_##name, kind; .type door_##name##_oldest, kind; \
	.symver door_##name, name@@GLIBC_2.34; .symver door_##name##_oldest, name@oldest; \
	door_##name: door_##name##_oldest:

#if defined(__x86_64__)
	.text
	DOOR(dlsym, @function)
	.cfi_startproc
	ENTRY_PAD
	movq	(%rsp), %rdx
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	door_dlsym_answer
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
	testq	%rax, %rax
	jne	1f
	jmp	*loader_real_dlsym(%rip)
1:	ret
	.cfi_endproc
	.size	door_dlsym, .-door_dlsym

	DOOR(dlopen, @function)
	.cfi_startproc
	ENTRY_PAD
	andl	$~8, %esi
	cmpq	$0, loader_real_dlopen(%rip)
	jne	1f
	pushq	%rdi
	.cfi_adjust_cfa_offset 8
	pushq	%rsi
	.cfi_adjust_cfa_offset 8
	subq	$8, %rsp
	.cfi_adjust_cfa_offset 8
	call	loader_find_dlopen
	addq	$8, %rsp
	.cfi_adjust_cfa_offset -8
	popq	%rsi
	.cfi_adjust_cfa_offset -8
	popq	%rdi
	.cfi_adjust_cfa_offset -8
1:	jmp	*loader_real_dlopen(%rip)
	.cfi_endproc
	.size	door_dlopen, .-door_dlopen
#elif defined(__aarch64__)
	.text
	DOOR(dlsym, %function)
	.cfi_startproc
	ENTRY_PAD
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	stp	x0, x1, [sp, #16]
	mov	x29, sp
	mov	x2, x30
	bl	door_dlsym_answer
	mov	x9, x0
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	cbz	x9, 1f
	mov	x0, x9
	ret
1:	adrp	x16, loader_real_dlsym
	ldr	x16, [x16, #:lo12:loader_real_dlsym]
	br	x16 /* or x17: the only ones that may branch to the start of a function */
	.cfi_endproc
	.size	door_dlsym, .-door_dlsym

	DOOR(dlopen, %function)
	.cfi_startproc
	ENTRY_PAD
	and	w1, w1, #~8
	adrp	x16, loader_real_dlopen
	ldr	x16, [x16, #:lo12:loader_real_dlopen]
	cbnz	x16, 1f
	stp	x29, x30, [sp, #-32]!
	.cfi_def_cfa_offset 32
	.cfi_offset 29, -32
	.cfi_offset 30, -24
	stp	x0, x1, [sp, #16]
	mov	x29, sp
	bl	loader_find_dlopen
	ldp	x0, x1, [sp, #16]
	ldp	x29, x30, [sp], #32
	.cfi_restore 30
	.cfi_restore 29
	.cfi_def_cfa_offset 0
	adrp	x16, loader_real_dlopen
	ldr	x16, [x16, #:lo12:loader_real_dlopen]
1:	br	x16
	.cfi_endproc
	.size	door_dlopen, .-door_dlopen
#else
#error "x86-64 and aarch64 only"
#endif
	.section .note.GNU-stack, "", %progbits
