#ifndef WARREN_CONFIG_CONFIG_H
#define WARREN_CONFIG_CONFIG_H

#include "core/base/addr.h"
#include "core/config/errors.h"

/*
 * The config file: INI text to a validated struct. What options there are stands in one table
 * (options.c), one row each: section, key, parser, place in the struct, limits, default, and the
 * words that an error message expects. All errors of a file are reported, not only the first.
 *
 *   [section]
 *   key = value        ; a comment follows a blank and a semicolon
 *
 * [interop NAME] sections may be there several times, each with a name of its own.
 *
 * inih does the splitting; lines.c feeds it, because as distributions build it, it knows no line
 * numbers, cuts long lines and joins indented ones.
 */
#define CONFIG_PATH_MAX    256 /* a path or a name with its NUL */
#define CONFIG_NAME_MAX    32
#define CONFIG_LIST_MAX    16 /* prefix =, advertise =, route =, table =, group = lines, each */
#define CONFIG_FILE_MAX    65536
#define CONFIG_INTEROP_MAX 16 /* [interop NAME] sections */
#define CONFIG_WORD_MAX    9  /* an authentication word with its NUL */

struct config_prefixes {
	uint32_t n;
	struct prefix v[CONFIG_LIST_MAX];
};

struct config_numbers {
	uint32_t n;
	uint32_t v[CONFIG_LIST_MAX];
};

/* With whom we talk in plaintext, docs/protocol.md section 9. */
struct config_interop {
	char name[16];
	bool hub; /* what the other side is */
	bool raw; /* IP protocol 47, else UDP */
	struct prefix underlay;
	struct config_prefixes allow;
	struct config_key {
		bool given;
		uint32_t value;
	} key;
	char word[CONFIG_WORD_MAX];      /* never to be shown */
	char word_file[CONFIG_PATH_MAX]; /* or where it is; identity.h reads it */
};

/* Paths are "" when not given; a relative one in the file has the file's directory in front. */
struct config {
	struct {
		char key[CONFIG_PATH_MAX];
		char certificate[CONFIG_PATH_MAX];
		char bundle[CONFIG_PATH_MAX];
		uint8_t network[64]; /* network id 32, root public key 32 */
		char psk_file[CONFIG_PATH_MAX];
		char state_directory[CONFIG_PATH_MAX];
		char user[CONFIG_NAME_MAX]; /* "" = stay who we are */
		bool strict;                /* no new sessions with an expired bundle */
	} node;
	struct {
		char name[16];
		uint32_t mtu;
		struct config_numbers tables; /* kernel tables mirrored besides local and main */
		uint32_t offloads;            /* TUN_* of core/base/offload.h */
	} tun;
	struct {
		struct ip_addr address; /* family 0 = all */
		uint32_t port;          /* 0 = a random one */
		uint32_t workers;       /* 0 = auto */
		uint32_t ciphers;  /* bit mask as in engine_config, 0 = all that the machine has */
		uint32_t offloads; /* UDP_* of core/base/offload.h */
	} udp;
	struct {
		uint32_t holding_time_s;
		bool redirect, shortcut, install_routes;
		bool relay_kernel;
		bool relay_plaintext;
		struct config_prefixes prefixes, advertise, routes;
	} nhrp;
	struct {
		struct config_prefixes groups;
		uint32_t rate; /* packets per second */
	} multicast;
	struct {
		uint32_t n;
		struct config_interop v[CONFIG_INTEROP_MAX];
	} interop;
	struct {
		bool host_candidates;
	} paths;
	struct {
		uint32_t peers, routes; /* 0 = the engine's default */
	} limits;
	struct {
		char socket[CONFIG_PATH_MAX];
		char group[CONFIG_NAME_MAX]; /* "" = the process's */
	} control;
	struct {
		struct endpoint listen; /* family 0 = no */
		char token_file[CONFIG_PATH_MAX];
	} http;
	struct {
		uint32_t level; /* enum log_level */
	} log;
};

/*
 * Parses a file, or text that came from one (path is for messages and relative paths). 0, or
 * ERR_SYSTEM (file), ERR_MALFORMED, with the errors added to errors; out is then not usable.
 */
int config_load(const char *path, struct config *out, struct config_errors *errors);
int config_parse(const char *text, size_t len, const char *path, struct config *out,
	struct config_errors *errors);

/* What differs between two configs: adds a line "[section] key" each. */
enum config_change {
	CONFIG_RELOADABLE,    /* takes effect on reload */
	CONFIG_NEEDS_RESTART, /* does not */
};
void config_diff(const struct config *a, const struct config *b, enum config_change kind,
	struct config_errors *names);
/* Takes over from fresh what a reload brings into effect. */
void config_adopt(struct config *running, const struct config *fresh);

#endif
