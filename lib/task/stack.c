/*
 * Stacks: mapped memory with a guard below, so that running over the end is a crash and not a
 * silent overwrite; it is wider than any frame, so that none steps over it. The kernel gives pages
 * as they are touched. Some free stacks are kept, because
 * mapping one costs two system calls and page faults.
 */
#include "task/internal.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/mem.h"

#ifdef POSTA_SANITIZE
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>
#endif

#if __has_include(<valgrind/valgrind.h>)
#include <valgrind/valgrind.h>
#else
#define VALGRIND_STACK_REGISTER(low, high) 0U
#define VALGRIND_STACK_DEREGISTER(id)	   ((void)(id))
#endif

#define POOL_MAX 64
/* A multiple of every page size that there is. */
#define GUARD_SIZE ((size_t)64 * 1024)

static struct stack pool[POOL_MAX];
static size_t pool_count;

static size_t page_size(void)
{
	static size_t size;

	if (size == 0)
		size = (size_t)sysconf(_SC_PAGESIZE);
	return size;
}

struct stack stack_take(void)
{
	if (pool_count > 0) {
		struct stack stack = pool[--pool_count];

#ifdef POSTA_SANITIZE
		ASAN_UNPOISON_MEMORY_REGION(stack.bottom, TASK_STACK_SIZE);
#endif
		return stack;
	}

	char *memory = mmap(NULL, GUARD_SIZE + TASK_STACK_SIZE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);

	/* The limit is vm.max_map_count: two mappings a task, so 30,000 tasks with its default. */
	if (memory == MAP_FAILED || mprotect(memory, GUARD_SIZE, PROT_NONE) < 0)
		mem_exhausted();

	struct stack stack = { .bottom = memory + GUARD_SIZE };

	stack.valgrind_id = (unsigned)VALGRIND_STACK_REGISTER(
		memory + GUARD_SIZE, memory + GUARD_SIZE + TASK_STACK_SIZE - 1);
#ifdef POSTA_SANITIZE
	/* What only a stack points to is not lost. */
	ASAN_UNPOISON_MEMORY_REGION(stack.bottom, TASK_STACK_SIZE);
	__lsan_register_root_region(stack.bottom, TASK_STACK_SIZE);
#endif
	return stack;
}

static void stack_unmap(struct stack stack)
{
#ifdef POSTA_SANITIZE
	__lsan_unregister_root_region(stack.bottom, TASK_STACK_SIZE);
#endif
	VALGRIND_STACK_DEREGISTER(stack.valgrind_id);
	munmap((char *)stack.bottom - GUARD_SIZE, GUARD_SIZE + TASK_STACK_SIZE);
}

void stack_give_back(struct stack stack)
{
	if (pool_count < POOL_MAX)
		pool[pool_count++] = stack;
	else
		stack_unmap(stack);
}

void stack_trim(void)
{
	while (pool_count > 0)
		stack_unmap(pool[--pool_count]);
}

void stack_abandon(struct stack stack, bool in_use)
{
#ifdef POSTA_SANITIZE
	/* Kept: what a dropped task owned is not a leak that anybody could have avoided. */
	in_use = true;
#endif
	if (!in_use)
		stack_unmap(stack);
}

void task_trim_stack(void)
{
	struct task *task = task_current();
	size_t page = page_size();
	char *bottom = task->stack.bottom;
	char *here = __builtin_frame_address(0);

	/* A page is left for this function's own calls and for what an ABI keeps below the top. */
	if (here < bottom || (size_t)(here - bottom) <= 2 * page)
		return;
	madvise(bottom, ((size_t)(here - bottom) / page - 1) * page, MADV_DONTNEED);
}
