/* Loaded into User-Mode Linux, between it and the C library.
 *
 * Debian 13's kernel 6.12 gives a guest's processes their floating-point registers back in a buffer of a fixed size. The
 * machine's kernel wants all that the processor could have, which with AMX is 11 KB, and refuses less with EFAULT: such a
 * guest dies as soon as its first process starts. What is missing here are registers that no process in a guest has used,
 * and those are zero.
 *
 * It stands without headers and is linked with nothing: it is loaded beside a C library of another release.
 */

typedef unsigned long size_t;

struct iovec {
	void *base;
	size_t length;
};

enum { SYS_PTRACE = 101, PEEK_TEXT = 1, PEEK_DATA = 2, PEEK_USER = 3, SET_REGISTERS = 0x4205, X86_XSTATE = 0x202 };

extern long syscall(long number, ...);
extern int *__errno_location(void);

/* More than any processor has, of which the kernel takes what it knows. A guest has one processor, so it is used once at
 * a time; a guest's kernel has no stack for it. */
static char registers[1 << 14];

long ptrace(long request, long pid, void *address, void *data)
{
	struct iovec *given = data, whole = { registers, sizeof registers };
	size_t i;
	long word;

	/* The C library gives the word back, the kernel stores it. */
	if (request >= PEEK_TEXT && request <= PEEK_USER) {
		if (syscall(SYS_PTRACE, request, pid, address, &word) < 0)
			return -1;
		*__errno_location() = 0;
		return word;
	}
	if (request != SET_REGISTERS || (long)address != X86_XSTATE || given->length >= sizeof registers)
		return syscall(SYS_PTRACE, request, pid, address, data);
	/* It gives the same length each time, so the rest stays zero. */
	for (i = 0; i < given->length; i++)
		registers[i] = ((char *)given->base)[i];
	return syscall(SYS_PTRACE, request, pid, address, &whole);
}
