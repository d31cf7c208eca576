/*
 * relay_test_explain - why a step failed, and what mends it
 *
 * What a server said is looked up among the hints; what relais saw itself is
 * known here where the hints' expressions could only guess.
 */
#include "config.h"

#include "deliver/relay_test_private.h"

#include <stdio.h>

#include "hints.h"
#include "providers.h"

static bool explain_tls(enum tls_fault tls, struct relay_test_explanation *why);

void relay_test_explain(const struct relay_settings *relay,
                        const struct verdict *fault, enum tls_fault tls,
                        struct relay_test_explanation *ret_why)
{
	const uint16_t *enhanced = fault->enhanced;
	const struct hint *hint;
	char dotted[24];

	*ret_why = (struct relay_test_explanation){ NULL, NULL };
	if (explain_tls(tls, ret_why))
		return;
	(void)snprintf(dotted, sizeof(dotted), "%u.%u.%u", enhanced[0],
	               enhanced[1], enhanced[2]);
	hint = hints_find(relay->provider ? relay->provider->id : NULL,
	                  fault->code, enhanced[0] == 0 ? NULL : dotted,
	                  fault->text);
	if (!hint)
		return;
	ret_why->cause = hint->explain;
	ret_why->next = hint->next;
}

static bool explain_tls(enum tls_fault tls, struct relay_test_explanation *why)
{
	switch (tls) {
	case TLS_FAULT_NOT_YET_VALID:
		why->cause = "The certificate is not valid yet: most often "
			     "the clock of this machine is wrong.";
		why->next = "Set the clock (timedatectl).";
		return true;
	case TLS_FAULT_FINGERPRINT:
		why->cause = "The relay has another key than the one pinned "
			     "by tls.fingerprint.";
		why->next = "If its operator has changed the key, set the new "
			    "fingerprint; else somebody is in between.";
		return true;
	case TLS_FAULT_NAME:
		why->cause = "The certificate is for another name.";
		why->next = "Set host to a name the certificate is for.";
		return true;
	case TLS_FAULT_SETTINGS:
		why->cause = "A file of the tls settings cannot be used.";
		why->next = "Look at tls.ca_file, tls.certificate and tls.key.";
		return true;
	case TLS_FAULT_NOT_TLS:
	case TLS_FAULT_EXPIRED:
	case TLS_FAULT_SELF_SIGNED:
	case TLS_FAULT_UNKNOWN_AUTHORITY:
	case TLS_FAULT_CERTIFICATE:
	case TLS_FAULT_VERSION:
	case TLS_FAULT_REFUSED:
	case TLS_FAULT_OTHER:
	case TLS_FAULT_NONE:
		break;
	}
	return false;
}
