#include "config.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "runtime/loop.h"
#include "runtime/mailbox.h"

#define SENDERS 4
#define EACH    20000

struct note {
	struct letter letter;
	struct count *count;
	unsigned sender, number;
};

struct count {
	struct loop *loop;
	struct mailbox *mailbox;
	unsigned next[SENDERS];
	unsigned total;
};

struct sender {
	pthread_t thread;
	struct count *count;
	unsigned number;
};

static void on_note(struct letter *letter)
{
	struct note *note = LETTER_OF(letter, struct note, letter);
	struct count *count = note->count;

	assert_true(loop_is_mine(count->loop));
	assert_int_equal(note->number, count->next[note->sender]);
	count->next[note->sender]++;
	free(note);
	if (++count->total == SENDERS * EACH)
		loop_stop(count->loop);
}

static struct note *note_new(struct count *count, unsigned sender,
                             unsigned number)
{
	struct note *note = calloc(1, sizeof(*note));

	assert_non_null(note);
	note->letter.open = on_note;
	note->count = count;
	note->sender = sender;
	note->number = number;
	return note;
}

static void *send_all(void *argument)
{
	struct sender *sender = argument;
	struct note *pair[2];
	unsigned i;

	for (i = 0; i < EACH; i += 2) {
		pair[0] = note_new(sender->count, sender->number, i);
		pair[1] = note_new(sender->count, sender->number, i + 1);
		pair[0]->letter.next = &pair[1]->letter;
		mailbox_post_list_take(sender->count->mailbox,
		                       &pair[0]->letter);
	}
	return NULL;
}

static void opens_every_letter_once_in_the_order_of_each_sender(void **state)
{
	struct sender senders[SENDERS];
	struct count count = { 0 };
	unsigned i;

	(void)state;
	assert_int_equal(loop_new(&count.loop, "test"), 0);
	assert_int_equal(mailbox_new(&count.mailbox, count.loop), 0);
	for (i = 0; i < SENDERS; i++) {
		senders[i].count = &count;
		senders[i].number = i;
		assert_int_equal(pthread_create(&senders[i].thread, NULL,
		                                send_all, &senders[i]),
		                 0);
	}
	assert_int_equal(loop_run(count.loop), 0);
	for (i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	assert_int_equal(count.total, SENDERS * EACH);
	mailbox_free(count.mailbox);
	loop_free(count.loop);
}

static void gives_a_waiting_thread_all_letters_in_order(void **state)
{
	struct sender senders[SENDERS];
	struct count count = { 0 };
	struct letter *letter, *next;
	struct note *note;
	unsigned i;

	(void)state;
	assert_int_equal(mailbox_new_blocking(&count.mailbox), 0);
	assert_null(mailbox_wait(count.mailbox, 0));
	assert_null(mailbox_wait(count.mailbox, 1));
	for (i = 0; i < SENDERS; i++) {
		senders[i].count = &count;
		senders[i].number = i;
		assert_int_equal(pthread_create(&senders[i].thread, NULL,
		                                send_all, &senders[i]),
		                 0);
	}
	while (count.total < SENDERS * EACH) {
		letter = mailbox_wait(count.mailbox, -1);
		assert_non_null(letter);
		for (; letter != NULL; letter = next) {
			next = letter->next;
			note = LETTER_OF(letter, struct note, letter);
			assert_int_equal(note->number,
			                 count.next[note->sender]);
			count.next[note->sender]++;
			count.total++;
			free(note);
		}
	}
	for (i = 0; i < SENDERS; i++)
		pthread_join(senders[i].thread, NULL);
	mailbox_free(count.mailbox);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    opens_every_letter_once_in_the_order_of_each_sender),
		cmocka_unit_test(gives_a_waiting_thread_all_letters_in_order),
	};

	if (loop_prepare_process() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
