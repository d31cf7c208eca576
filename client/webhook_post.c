#include "config.h"

#include "webhook_post.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "webhook_settings.h"
#include "webhook_signature.h"

struct webhook_post {
	CURL *curl;
	const struct webhook_keys *keys;
	char error[CURL_ERROR_SIZE];
	char problem[CURL_ERROR_SIZE + 64];
};

static bool set_options(struct webhook_post *post,
                        const struct webhook_settings *settings);
static struct curl_slist *make_fields(const struct webhook_post *post,
                                      const char *id, const char *body,
                                      size_t body_len);
static int judge(struct webhook_post *post, CURLcode code,
                 unsigned *ret_after_s);

int webhook_post_new(struct webhook_post **ret_post,
                     const struct webhook_settings *settings,
                     const struct webhook_keys *keys)
{
	struct webhook_post *post = calloc(1, sizeof(*post));

	if (!post)
		return -ENOMEM;
	post->keys = keys;
	if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
		post->curl = curl_easy_init();
	if (!post->curl || !set_options(post, settings)) {
		webhook_post_free(post);
		return -ENOMEM;
	}
	*ret_post = post;
	return 0;
}

void webhook_post_free(struct webhook_post *post)
{
	if (!post)
		return;
	curl_easy_cleanup(post->curl);
	curl_global_cleanup();
	free(post);
}

/* What the endpoint answers beside its status is nobody's business. */
static size_t drop_answer(char *data, size_t size, size_t count, void *context)
{
	(void)data;
	(void)context;
	return size * count;
}

static bool set_options(struct webhook_post *post,
                        const struct webhook_settings *settings)
{
	CURL *curl = post->curl;
	long timeout_ms = (long)settings->timeout_ms;
	const char *ca_file = settings->text[WEBHOOK_CA_FILE];

	return curl_easy_setopt(curl, CURLOPT_URL,
	                        settings->text[WEBHOOK_URL]) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https") ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, post->error) ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_answer) ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_USERAGENT,
	                        "relais-webhook/" PACKAGE_VERSION) ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, timeout_ms) ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) ==
	           CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSLVERSION,
	                        (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK &&
	       (!ca_file ||
	        curl_easy_setopt(curl, CURLOPT_CAINFO, ca_file) == CURLE_OK);
}

int webhook_post_send(struct webhook_post *post, const char *id,
                      const char *body, size_t body_len, unsigned *ret_after_s)
{
	struct curl_slist *fields = make_fields(post, id, body, body_len);
	CURLcode code;

	*ret_after_s = 0;
	if (!fields)
		return -ENOMEM;
	post->error[0] = '\0';
	(void)curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, fields);
	(void)curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body);
	(void)curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE,
	                       (curl_off_t)body_len);
	code = curl_easy_perform(post->curl);
	curl_slist_free_all(fields);
	return judge(post, code, ret_after_s);
}

/* The time is that of this try: who verifies refuses old ones. */
static struct curl_slist *make_fields(const struct webhook_post *post,
                                      const char *id, const char *body,
                                      size_t body_len)
{
	char signature[WEBHOOK_SIGNATURE_SIZE];
	char fields[5][WEBHOOK_SIGNATURE_SIZE + 64];
	struct curl_slist *list = NULL, *longer;
	int64_t now_s = (int64_t)time(NULL);

	if (webhook_sign(post->keys, id, now_s, body, body_len, signature) < 0)
		return NULL;
	(void)snprintf(fields[0], sizeof(fields[0]), "webhook-id: %s", id);
	(void)snprintf(fields[1], sizeof(fields[1]),
	               "webhook-timestamp: %" PRId64, now_s);
	(void)snprintf(fields[2], sizeof(fields[2]), "webhook-signature: %s",
	               signature);
	(void)snprintf(fields[3], sizeof(fields[3]),
	               "Content-Type: application/json");
	/* No waiting for a 100 before the body. */
	(void)snprintf(fields[4], sizeof(fields[4]), "Expect:");
	for (size_t i = 0; i < 5; i++) {
		longer = curl_slist_append(list, fields[i]);
		if (!longer) {
			curl_slist_free_all(list);
			return NULL;
		}
		list = longer;
	}
	return list;
}

static int judge(struct webhook_post *post, CURLcode code,
                 unsigned *ret_after_s)
{
	curl_off_t after_s = 0;
	long status = 0;

	if (code == CURLE_OUT_OF_MEMORY)
		return -ENOMEM;
	(void)curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &status);
	if (code == CURLE_OK && status >= 200 && status <= 299)
		return 0;
	(void)curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &after_s);
	if (after_s > 0)
		*ret_after_s = after_s < 86400 ? (unsigned)after_s : 86400;
	if (code != CURLE_OK)
		(void)snprintf(post->problem, sizeof(post->problem), "%s",
		               post->error[0] ? post->error
		                              : curl_easy_strerror(code));
	else
		(void)snprintf(
		    post->problem, sizeof(post->problem), "it answers %ld%s",
		    status,
		    status >= 300 && status <= 399
			? "; redirects are not followed, give the new URL"
			: "");
	return -EAGAIN;
}

const char *webhook_post_problem(const struct webhook_post *post)
{
	return post->problem;
}
