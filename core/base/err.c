#include "core/base/err.h"

const char *err_name(int err)
{
	if (err >= 0)
		return "no error";
	switch ((enum err)err) {
	case ERR_TRUNCATED:
		return "truncated";
	case ERR_MALFORMED:
		return "malformed";
	case ERR_VERSION:
		return "unknown version";
	case ERR_AUTH:
		return "authentication failed";
	case ERR_NO_SPACE:
		return "no space";
	case ERR_NOT_FOUND:
		return "not found";
	case ERR_EXPIRED:
		return "expired";
	case ERR_FORBIDDEN:
		return "not allowed";
	case ERR_REVOKED:
		return "revoked";
	case ERR_DUPLICATE:
		return "duplicate";
	case ERR_SYSTEM:
		return "system error";
	case ERR_BUSY:
		return "rate or number limit";
	case ERR_UNSUPPORTED:
		return "unsupported";
	}
	return "unknown error";
}
