/* command.c - owns the lock-free command stack and the futex that answers.
 *
 * Invariants: head is NULL, or the newest command, or &closed. Only the driver
 * takes commands off, and always all of them, so there is no ABA problem.
 */
#include "command.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct command closed; /* its address marks a closed queue */

int futex_wait(atomic_uint *word, unsigned seen)
{
	int saved = errno, err = 0;

	if (syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, seen, NULL, NULL, 0) < 0 &&
	    errno == EINTR)
		err = -EINTR;
	errno = saved;
	return err;
}

void futex_wake_all(atomic_uint *word)
{
	int saved = errno;

	syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
	errno = saved;
}

void commands_open(struct command_queue *q)
{
	atomic_store(&q->head, NULL);
}

bool commands_put(struct command_queue *q, struct command *c)
{
	struct command *head = atomic_load(&q->head);

	atomic_store(&c->done, 0);
	do {
		if (head == &closed)
			return false;
		c->next = head;
	} while (!atomic_compare_exchange_weak(&q->head, &head, c));
	return true;
}

static struct command *oldest_first(struct command *newest)
{
	struct command *list = NULL, *c;

	if (newest == &closed)
		return NULL;
	while ((c = newest)) {
		newest = c->next;
		c->next = list;
		list = c;
	}
	return list;
}

struct command *commands_take(struct command_queue *q)
{
	struct command *head = atomic_load(&q->head);

	do {
		if (!head || head == &closed)
			return NULL;
	} while (!atomic_compare_exchange_weak(&q->head, &head, NULL));
	return oldest_first(head);
}

struct command *commands_close(struct command_queue *q)
{
	return oldest_first(atomic_exchange(&q->head, &closed));
}

void command_done(struct command *c, int result)
{
	c->result = result;
	atomic_store(&c->done, 1);
	/* The caller may be gone by now: then this wakes nobody. */
	futex_wake_all(&c->done);
}

int command_wait(struct command *c)
{
	while (!atomic_load(&c->done))
		futex_wait(&c->done, 0);
	return c->result;
}
