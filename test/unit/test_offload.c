/* The words of the offloads: one a bit. */
#include "core/base/offload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static unsigned count(const char *const *words)
{
	unsigned n = 0;
	while (words[n])
		n++;
	return n;
}

static void each_bit_has_its_word(void **state)
{
	char text[OFFLOAD_TEXT_MAX];
	(void)state;
	assert_int_equal((1u << count(tun_offload_words)) - 1, TUN_OFFLOADS);
	assert_int_equal((1u << count(udp_offload_words)) - 1, UDP_OFFLOADS);
	assert_string_equal(offload_format(tun_offload_words, TUN_CHECKSUM, text), "checksum");
	assert_string_equal(offload_format(tun_offload_words, TUN_USO | TUN_TSO, text), "tso uso");
	assert_string_equal(
		offload_format(tun_offload_words, TUN_COALESCE_TCP, text), "coalesce-tcp");
	assert_string_equal(offload_format(tun_offload_words, TUN_OFFLOADS, text),
		"checksum tso uso coalesce-tcp coalesce-udp");
	assert_string_equal(offload_format(udp_offload_words, UDP_SEND_TRAINS, text), "gso");
	assert_string_equal(offload_format(udp_offload_words, UDP_RECEIVE_TRAINS, text), "gro");
	assert_string_equal(offload_format(udp_offload_words, 0, text), "none");
}

static void what_is_missing_is_said(void **state)
{
	char text[OFFLOAD_SUMMARY_MAX];
	(void)state;
	assert_string_equal(
		offload_summary(udp_offload_words, UDP_OFFLOADS, UDP_OFFLOADS, text), "gso gro");
	assert_string_equal(offload_summary(udp_offload_words, UDP_OFFLOADS, UDP_SEND_TRAINS, text),
		"gso; not on this system: gro");
	assert_string_equal(offload_summary(tun_offload_words, TUN_OFFLOADS, 0, text),
		"none; not on this system: checksum tso uso coalesce-tcp coalesce-udp");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_bit_has_its_word),
		cmocka_unit_test(what_is_missing_is_said),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
