#include "config.h"

#include "deliver/idna.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LABEL_MAX 63

/* RFC 3492 5 */
#define BASE         36
#define TMIN         1
#define TMAX         26
#define SKEW         38
#define DAMP         700
#define INITIAL_BIAS 72
#define INITIAL_N    128

/* One code point; its length in octets, 0 if this isn't well-formed UTF-8. */
static size_t decode(const unsigned char *text, size_t len, uint32_t *ret_point)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t point;
	size_t size;

	if (text[0] < 0x80) {
		*ret_point = text[0];
		return 1;
	}
	size = text[0] >= 0xf0 ? 4 : text[0] >= 0xe0 ? 3 : 2;
	if (text[0] < 0xc2 || text[0] > 0xf4 || size > len)
		return 0;
	point = text[0] & (0x7fu >> size);
	for (size_t i = 1; i < size; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (text[i] & 0x3fu);
	}
	if (point < least[size] || point > 0x10ffff ||
	    (point >= 0xd800 && point <= 0xdfff))
		return 0;
	*ret_point = point;
	return size;
}

static uint32_t adapt(uint32_t delta, uint32_t points, bool is_first)
{
	uint32_t k = 0;

	delta = is_first ? delta / DAMP : delta / 2;
	delta += delta / points;
	for (; delta > (BASE - TMIN) * TMAX / 2; k += BASE)
		delta /= BASE - TMIN;
	return k + (BASE - TMIN + 1) * delta / (delta + SKEW);
}

static char digit(uint32_t value)
{
	return (char)(value < 26 ? 'a' + value : '0' + (value - 26));
}

struct label {
	char text[LABEL_MAX + 1];
	size_t len;
};

static bool put(struct label *label, char c)
{
	if (label->len >= LABEL_MAX)
		return false;
	label->text[label->len++] = c;
	return true;
}

static bool put_number(struct label *label, uint32_t value, uint32_t bias)
{
	for (uint32_t k = BASE;; k += BASE) {
		uint32_t t = k <= bias          ? TMIN
		             : k >= bias + TMAX ? TMAX
		                                : k - bias;

		if (value < t)
			return put(label, digit(value));
		if (!put(label, digit(t + (value - t) % (BASE - t))))
			return false;
		value = (value - t) / (BASE - t);
	}
}

/* RFC 3492 6.3; a label has few points, so nothing here can overflow. */
static bool encode(struct label *label, const uint32_t *points, uint32_t count)
{
	uint32_t n = INITIAL_N, delta = 0, bias = INITIAL_BIAS;
	uint32_t basic = 0, done;

	for (uint32_t i = 0; i < count; i++)
		if (points[i] < INITIAL_N) {
			if (!put(label, (char)points[i]))
				return false;
			basic++;
		}
	if (basic > 0 && !put(label, '-'))
		return false;
	for (done = basic; done < count; delta++, n++) {
		uint32_t next = UINT32_MAX;

		for (uint32_t i = 0; i < count; i++)
			if (points[i] >= n && points[i] < next)
				next = points[i];
		delta += (next - n) * (done + 1);
		n = next;
		for (uint32_t i = 0; i < count; i++) {
			if (points[i] < n)
				delta++;
			if (points[i] != n)
				continue;
			if (!put_number(label, delta, bias))
				return false;
			bias = adapt(delta, done + 1, done == basic);
			delta = 0;
			done++;
		}
	}
	return true;
}

static int convert(const char *text, size_t len, struct label *label)
{
	uint32_t points[LABEL_MAX];
	uint32_t count = 0;
	bool is_ascii = true;

	label->len = 0;
	for (size_t at = 0, size; at < len; at += size) {
		uint32_t point;

		size =
		    decode((const unsigned char *)text + at, len - at, &point);
		if (size == 0)
			return -EILSEQ;
		if (count == LABEL_MAX)
			return -EMSGSIZE;
		if (point >= 'A' && point <= 'Z')
			point |= 0x20;
		is_ascii = is_ascii && point < INITIAL_N;
		points[count++] = point;
	}
	if (!is_ascii)
		for (const char *p = "xn--"; *p; p++)
			(void)put(label, *p);
	if (is_ascii) {
		for (uint32_t i = 0; i < count; i++)
			(void)put(label, (char)points[i]);
		return 0;
	}
	return encode(label, points, count) ? 0 : -EMSGSIZE;
}

int idna_to_ascii(const char *domain, char out[IDNA_SIZE])
{
	size_t used = 0;

	for (;;) {
		size_t len = strcspn(domain, ".");
		struct label label;
		int r;

		r = convert(domain, len, &label);
		if (r < 0)
			return r;
		if (used + label.len + 2 > IDNA_SIZE)
			return -EMSGSIZE;
		memcpy(out + used, label.text, label.len);
		used += label.len;
		if (!domain[len])
			break;
		out[used++] = '.';
		domain += len + 1;
	}
	out[used] = '\0';
	return 0;
}
