/*
 * From one stack to another.
 *
 * swapcontext() asks the kernel for the signal mask at every switch, which costs more than all the
 * rest of it; every task has the same mask, so on the CPUs that we know the switch is a handful of
 * instructions that save and load the registers which the calling convention says a function must
 * keep. (The rounding mode also belongs to them; nobody changes it.) Elsewhere ucontext does it.
 */
#include "task/internal.h"

#include <signal.h>
#include <stdint.h>

#ifdef POSTA_SANITIZE
#include <sanitizer/common_interface_defs.h>
#else
#define __sanitizer_start_switch_fiber(fake, bottom, size)  ((void)0)
#define __sanitizer_finish_switch_fiber(fake, bottom, size) ((void)0)
#endif

#ifdef SWITCH_IN_ASSEMBLY
/* Pushes the registers, *save = stack pointer, stack pointer = load, pops the registers. */
void task_switch_registers(void **save, void *load);
#endif

#if defined(__x86_64__)

#define SAVED_WORDS 8 /* six registers, where to go, and where that would return to */
#define ENTRY_WORD  6

__asm__(".text\n"
	".p2align 4\n"
	".globl task_switch_registers\n"
	".hidden task_switch_registers\n"
	".type task_switch_registers, @function\n"
	"task_switch_registers:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	movq %rsp, (%rdi)\n"
	"	movq %rsi, %rsp\n"
	"	popq %r15\n"
	"	popq %r14\n"
	"	popq %r13\n"
	"	popq %r12\n"
	"	popq %rbx\n"
	"	popq %rbp\n"
	"	ret\n"
	".size task_switch_registers, . - task_switch_registers\n");

#elif defined(__aarch64__)

#define SAVED_WORDS 20 /* x19 to x30, d8 to d15 */
#define ENTRY_WORD  11 /* x30 */

__asm__(".text\n"
	".p2align 2\n"
	".globl task_switch_registers\n"
	".hidden task_switch_registers\n"
	".type task_switch_registers, %function\n"
	"task_switch_registers:\n"
	"	sub sp, sp, #160\n"
	"	stp x19, x20, [sp, #0]\n"
	"	stp x21, x22, [sp, #16]\n"
	"	stp x23, x24, [sp, #32]\n"
	"	stp x25, x26, [sp, #48]\n"
	"	stp x27, x28, [sp, #64]\n"
	"	stp x29, x30, [sp, #80]\n"
	"	stp d8, d9, [sp, #96]\n"
	"	stp d10, d11, [sp, #112]\n"
	"	stp d12, d13, [sp, #128]\n"
	"	stp d14, d15, [sp, #144]\n"
	"	mov x2, sp\n"
	"	str x2, [x0]\n"
	"	mov sp, x1\n"
	"	ldp x19, x20, [sp, #0]\n"
	"	ldp x21, x22, [sp, #16]\n"
	"	ldp x23, x24, [sp, #32]\n"
	"	ldp x25, x26, [sp, #48]\n"
	"	ldp x27, x28, [sp, #64]\n"
	"	ldp x29, x30, [sp, #80]\n"
	"	ldp d8, d9, [sp, #96]\n"
	"	ldp d10, d11, [sp, #112]\n"
	"	ldp d12, d13, [sp, #128]\n"
	"	ldp d14, d15, [sp, #144]\n"
	"	add sp, sp, #160\n"
	"	ret\n"
	".size task_switch_registers, . - task_switch_registers\n");

#endif

void context_make(struct context *context, void *bottom, size_t size, void (*entry)(void))
{
	context->bottom = bottom;
	context->size = size;
	context->fake_stack = NULL;
#ifdef SWITCH_IN_ASSEMBLY
	/* The top of a mapping is aligned to 16 bytes, as the calling conventions want it. */
	uintptr_t *words = (uintptr_t *)(void *)((char *)bottom + size) - SAVED_WORDS;

	for (size_t i = 0; i < SAVED_WORDS; i++)
		words[i] = 0;
	words[ENTRY_WORD] = (uintptr_t)entry;
	context->stack_pointer = words;
#else
	getcontext(&context->registers);
	context->registers.uc_stack.ss_sp = bottom;
	context->registers.uc_stack.ss_size = size;
	context->registers.uc_link = NULL;
	makecontext(&context->registers, entry, 0);
#endif
}

void context_switch(struct context *from, struct context *to, bool dying)
{
	__sanitizer_start_switch_fiber(dying ? NULL : &from->fake_stack, to->bottom, to->size);
#ifdef SWITCH_IN_ASSEMBLY
	task_switch_registers(&from->stack_pointer, to->stack_pointer);
#else
	/* The mask is the program's, not the task's. */
	sigprocmask(SIG_SETMASK, NULL, &to->registers.uc_sigmask);
	swapcontext(&from->registers, &to->registers);
#endif
	__sanitizer_finish_switch_fiber(from->fake_stack, NULL, NULL);
	(void)dying;
}

void context_entered(struct context *came_from)
{
	__sanitizer_finish_switch_fiber(NULL, &came_from->bottom, &came_from->size);
	(void)came_from;
}
