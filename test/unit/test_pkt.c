/* Batches and the names of drop reasons. */
#include "core/base/pkt.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void every_reason_has_a_name_of_its_own(void **state)
{
	(void)state;
	for (int i = 0; i < DROP_COUNT; i++) {
		const char *name = drop_name((enum drop_reason)i);
		assert_true(strlen(name) > 0);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"), strlen(name));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(name, drop_name((enum drop_reason)j));
	}
	assert_string_equal(drop_name(DROP_BAD_TAG), "bad_tag");
	assert_string_equal(drop_name(DROP_COUNT), "unknown");
}

static void slots_do_not_overlap(void **state)
{
	(void)state;
	struct pkt_batch b;
	assert_int_equal(pkt_batch_init(&b, PKT_BATCH), 0);
	assert_int_equal(b.cap, PKT_BATCH);
	for (uint16_t i = 0; i < b.cap; i++) {
		struct pkt *p = pkt_reset(&b, i);
		assert_ptr_equal(p, &b.v[i]);
		assert_int_equal(p->len, 0);
		memset(p->data - PKT_HEADROOM, i, PKT_HEADROOM + PKT_ROOM + PKT_TAILROOM);
	}
	for (uint16_t i = 0; i < b.cap; i++)
		for (size_t at = 0; at < PKT_SLOT; at++)
			assert_int_equal(b.bytes[(size_t)i * PKT_SLOT + at], i & 0xff);
	struct pkt *p = &b.v[3];
	p->len = 77;
	p->tos = 3;
	p->remote.port = 4;
	pkt_drop(p, DROP_REPLAY);
	assert_int_equal(p->verdict, PKT_DROP);
	assert_int_equal(p->drop, DROP_REPLAY);
	p = pkt_reset(&b, 3); /* nothing is left of the packet before */
	assert_int_equal(p->len | p->tos | p->remote.port | p->drop, 0);
	pkt_batch_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_name_of_its_own),
		cmocka_unit_test(slots_do_not_overlap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
