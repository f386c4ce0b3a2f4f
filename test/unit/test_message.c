/* What message_peek lets through. */
#include "core/crypto/message.h"

#include "core/base/err.h"
#include "crypto_fixture.h"

static void shapes_are_checked(void **state)
{
	static const struct {
		uint8_t head[12];
		size_t len;
		int rc;
		uint32_t sender, receiver, token_id;
	} cases[] = {
		{{1, 1, 0, 0, 0, 0, 0, 9}, 640, 0, 9, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 9}, 1228, 0, 9, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 9}, 639, ERR_TRUNCATED, 0, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 9}, 1229, ERR_MALFORMED, 0, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 0}, 640, ERR_MALFORMED, 0, 0, 0},
		{{1, 1, 0, 0, 0x0f, 0xff, 0xff, 0xff}, 640, 0, 0xfffffff, 0, 0},
		{{1, 1, 0, 0, 0x10, 0, 0, 0}, 640, ERR_MALFORMED, 0, 0, 0},
		{{1, 2, 0, 0, 0, 0, 0, 9}, 640, ERR_VERSION, 0, 0, 0},
		{{1, 1, 1, 0, 0, 0, 0, 9}, 640, ERR_MALFORMED, 0, 0, 0},
		{{1, 1, 0, 1, 0, 0, 0, 9}, 640, ERR_MALFORMED, 0, 0, 0},
		{{2, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 300, 0, 9, 8, 0},
		{{2, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 640, 0, 9, 8, 0},
		{{2, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 641, ERR_MALFORMED, 0, 0, 0},
		{{2, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 8}, 161, ERR_TRUNCATED, 0, 0, 0},
		{{2, 1, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}, 300, ERR_MALFORMED, 0, 0, 0},
		{{2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8}, 300, ERR_MALFORMED, 0, 0, 0},
		{{3, 1, 0, 0, 0, 0, 0, 8}, 64, 0, 0, 8, 0},
		{{3, 1, 0, 0, 0, 0, 0, 8}, 63, ERR_TRUNCATED, 0, 0, 0},
		{{3, 1, 0, 0, 0, 0, 0, 8}, 65, ERR_MALFORMED, 0, 0, 0},
		{{4, 1, 0, 0, 0, 0, 0, 8}, 64, ERR_MALFORMED, 0, 0, 0},
		{{5, 1, 0, 0, 0xff, 0, 0, 0}, 32, 0, 0, 0, 0xff000000},
		{{5, 1, 0, 0, 0, 0, 0, 0}, 32, 0, 0, 0, 0},
		{{5, 1, 0, 0, 0, 0, 0, 0}, 33, ERR_MALFORMED, 0, 0, 0},
		{{6, 1, 0, 0, 0, 0, 0, 5}, 32, 0, 5, 0, 0},
		{{6, 1, 0, 0, 0, 0, 0, 0}, 32, ERR_MALFORMED, 0, 0, 0},
		{{0, 1, 0, 0, 0, 0, 0, 5}, 32, ERR_MALFORMED, 0, 0, 0},
		{{7, 1, 0, 0, 0, 0, 0, 5}, 32, ERR_MALFORMED, 0, 0, 0},
		{{255, 1, 0, 0, 0, 0, 0, 5}, 32, ERR_MALFORMED, 0, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 5}, 7, ERR_TRUNCATED, 0, 0, 0},
		{{1, 1, 0, 0, 0, 0, 0, 5}, 0, ERR_TRUNCATED, 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint8_t msg[1300] = {0};
		struct message_header header;
		memcpy(msg, cases[i].head, sizeof cases[i].head);
		assert_int_equal(message_peek(msg, cases[i].len, &header), cases[i].rc);
		assert_int_equal(header.type, cases[i].rc ? 0 : cases[i].head[0]);
		assert_int_equal(header.sender, cases[i].sender);
		assert_int_equal(header.receiver, cases[i].receiver);
		assert_int_equal(header.token_id, cases[i].token_id);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shapes_are_checked),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
