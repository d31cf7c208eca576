/*
 * webhook_post - one request to the endpoint, blocking; the only includer of
 *                libcurl among the clients
 *
 * The connection is kept between requests. Redirects are not followed: the
 * events go where the administrator said, or nowhere.
 */
#ifndef RELAIS_WEBHOOK_POST_H
#define RELAIS_WEBHOOK_POST_H

#include <stddef.h>
#include <stdint.h>

struct webhook_keys;
struct webhook_post;
struct webhook_settings;

/* Both are borrowed until it is freed. 0; -ENOMEM. */
int webhook_post_new(struct webhook_post **ret_post,
                     const struct webhook_settings *settings,
                     const struct webhook_keys *keys);
void webhook_post_free(struct webhook_post *post);

/*
 * 0: a status from 200 to 299 came. -EAGAIN: try again; webhook_post_problem()
 * says why, and *ret_after_s is the endpoint's wish, 0 without. -ENOMEM.
 */
int webhook_post_send(struct webhook_post *post, const char *id,
                      const char *body, size_t body_len, unsigned *ret_after_s);

/* Borrowed until the next call. */
const char *webhook_post_problem(const struct webhook_post *post);

#endif
