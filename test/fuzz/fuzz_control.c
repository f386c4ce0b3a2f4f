#include "core/wire/control.h"
#include "test/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

/* Frames read, written and read again are the same bytes, whatever was skipped in between. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t out[1 << 16], again[1 << 16];
	struct control_frame frame;
	if (size > sizeof out)
		return 0;
	struct reader r = reader_of(data, size);
	struct writer w = writer_of(out, sizeof out);
	int rc;
	while ((rc = control_next(&r, &frame)) > 0) {
		control_write(&w, &frame);
		must(!w.failed);
		int len = control_encode(&frame, again, sizeof again);
		must(len >= CONTROL_HDR_LEN && control_encode(&frame, again, (size_t)len - 1) < 0);
	}
	must(reader_left(&r) == 0 && control_next(&r, &frame) <= 0);

	struct reader second = reader_of(out, writer_len(&w));
	struct writer copy = writer_of(again, sizeof again);
	while ((rc = control_next(&second, &frame)) > 0)
		control_write(&copy, &frame);
	must(rc == 0 && !copy.failed && writer_len(&copy) == writer_len(&w));
	must(writer_len(&w) == 0 || memcmp(out, again, writer_len(&w)) == 0);
	return 0;
}
