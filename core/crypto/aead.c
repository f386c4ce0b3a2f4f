#include "core/crypto/aead.h"

#include "core/base/cursor.h"
#include "core/base/err.h"
#include "core/crypto/chacha.h"

#include <sodium.h>
#include <string.h>

#define AES_256_GCM_TAG crypto_aead_aes256gcm_ABYTES

_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= sizeof((struct aead_key){0}.state),
	"AES-GCM's key schedule fits");
_Static_assert(CHACHA_AAD_LEN == AEAD_AAD_LEN, "the GRE header");

static bool always_available(void)
{
	return true;
}

/* The last 8 bytes of a nonce whose other bytes are zero. */
static void store_counter_be(uint8_t *p, uint64_t counter)
{
	store_u32(p, (uint32_t)(counter >> 32));
	store_u32(p + 4, (uint32_t)counter);
}

static void chacha_nonce(uint8_t nonce[12], uint64_t counter)
{
	memset(nonce, 0, 4);
	for (size_t i = 0; i < 8; i++)
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
}

static void chacha20_init(struct aead_key *key, const uint8_t secret[32])
{
	chacha_init((struct chacha_key *)(void *)key->state, secret);
}

static const struct chacha_key *chacha_key(const struct aead_key *key)
{
	return (const struct chacha_key *)(const void *)key->state;
}

static void chacha20_seal(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[12];

	chacha_nonce(nonce, counter);
	chacha_seal(chacha_key(key), dst, src, len, aad, nonce);
}

static bool chacha20_open(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[12];

	chacha_nonce(nonce, counter);
	return chacha_open(chacha_key(key), dst, src, len, aad, nonce);
}

static bool gcm_available(void)
{
	return crypto_aead_aes256gcm_is_available() == 1;
}

static void gcm_init(struct aead_key *key, const uint8_t secret[32])
{
	crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)(void *)key->state, secret);
}

static const crypto_aead_aes256gcm_state *gcm_state(const struct aead_key *key)
{
	return (const crypto_aead_aes256gcm_state *)(const void *)key->state;
}

static void gcm_seal(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[12] = {0};

	store_counter_be(nonce + 4, counter);
	crypto_aead_aes256gcm_encrypt_afternm(
		dst, NULL, src, len, aad, AEAD_AAD_LEN, NULL, nonce, gcm_state(key));
}

static bool gcm_open(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[12] = {0};

	store_counter_be(nonce + 4, counter);
	return crypto_aead_aes256gcm_decrypt_afternm(
		       dst, NULL, NULL, src, len, aad, AEAD_AAD_LEN, nonce, gcm_state(key)) == 0;
}

#ifdef crypto_aead_aegis256_KEYBYTES
/* libsodium has it in software too, but there ChaCha20-Poly1305 is the faster one. */
static bool aegis_available(void)
{
	return gcm_available();
}

static void aegis_init(struct aead_key *key, const uint8_t secret[32])
{
	memcpy(key->state, secret, 32);
}

static void aegis_seal(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[crypto_aead_aegis256_NPUBBYTES] = {0};

	store_counter_be(nonce + 24, counter);
	crypto_aead_aegis256_encrypt(
		dst, NULL, src, len, aad, AEAD_AAD_LEN, NULL, nonce, key->state);
}

static bool aegis_open(const struct aead_key *key, uint8_t *dst, const uint8_t *src, size_t len,
	const uint8_t aad[AEAD_AAD_LEN], uint64_t counter)
{
	uint8_t nonce[crypto_aead_aegis256_NPUBBYTES] = {0};

	store_counter_be(nonce + 24, counter);
	return crypto_aead_aegis256_decrypt(
		       dst, NULL, NULL, src, len, aad, AEAD_AAD_LEN, nonce, key->state) == 0;
}
#endif

static const struct aead aeads[] = {
	{
		.id = AEAD_CHACHA20_POLY1305,
		.name = "chacha20-poly1305",
		.tag_len = CHACHA_TAG_LEN,
		/* No limit but the PRF's. */
		.limits = {UINT64_C(1) << 60, UINT64_MAX - (UINT64_C(1) << 13), UINT64_MAX,
			UINT64_MAX},
		.available = always_available,
		.init = chacha20_init,
		.seal = chacha20_seal,
		.open = chacha20_open,
	},
	{
		.id = AEAD_AES_256_GCM,
		.name = "aes-256-gcm",
		.tag_len = AES_256_GCM_TAG,
		/* Attacker's advantage 2^-65 at 64 GiB, 2^-63 at 128: irtf-cfrg-aead-limits. */
		.limits = {UINT64_C(1) << 26, UINT64_C(1) << 27, UINT64_C(1) << 32,
			UINT64_C(1) << 33},
		.available = gcm_available,
		.init = gcm_init,
		.seal = gcm_seal,
		.open = gcm_open,
	},
#ifdef crypto_aead_aegis256_KEYBYTES
	{
		.id = AEAD_AEGIS_256,
		.name = "aegis-256",
		.tag_len = crypto_aead_aegis256_ABYTES,
		/* No practical limit: rekey at 2^48 bytes because it costs nothing. */
		.limits = {UINT64_C(1) << 60, UINT64_MAX - (UINT64_C(1) << 13), UINT64_C(1) << 44,
			UINT64_MAX},
		.available = aegis_available,
		.init = aegis_init,
		.seal = aegis_seal,
		.open = aegis_open,
	},
#endif
};

#define N_AEADS (sizeof aeads / sizeof *aeads)

const struct aead *aead_find(uint8_t id)
{
	for (size_t i = 0; i < N_AEADS; i++)
		if (aeads[i].id == id)
			return aeads[i].available() ? &aeads[i] : NULL;
	return NULL;
}

uint8_t aead_offer(void)
{
	uint8_t mask = 0;

	for (size_t i = 0; i < N_AEADS; i++)
		if (aeads[i].available())
			mask |= (uint8_t)(1 << aeads[i].id);
	return mask;
}

uint8_t aead_choose(uint8_t offered, uint8_t allowed)
{
	uint8_t both = offered & allowed;

	if (both & 1 << AEAD_AEGIS_256)
		return AEAD_AEGIS_256;
	if (both & 1 << AEAD_AES_256_GCM)
		return AEAD_AES_256_GCM;
	return AEAD_CHACHA20_POLY1305;
}

int aead_key_init(struct aead_key *key, uint8_t id, const uint8_t secret[32])
{
	memset(key, 0, sizeof *key);
	const struct aead *aead = aead_find(id);
	if (!aead)
		return ERR_UNSUPPORTED;
	aead->init(key, secret);
	key->aead = aead;
	return 0;
}

void aead_key_wipe(struct aead_key *key)
{
	sodium_memzero(key, sizeof *key);
}
