/*
 * idna - domains with letters beyond ASCII in the form that DNS knows
 *
 * Turns each label in UTF-8 into its A-label (RFC 5891 4.4, RFC 3492). Labels
 * are taken as RFC 6531 wants them on the wire, already mapped and normalised;
 * only ASCII letters are put in lower case.
 *
 * Thread: any.
 */
#ifndef RELAIS_DELIVER_IDNA_H
#define RELAIS_DELIVER_IDNA_H

/* A domain in its ASCII form, and the NUL */
#define IDNA_SIZE 256

/* -EILSEQ: not UTF-8; -EMSGSIZE: a label above 63 octets or all above 255. */
int idna_to_ascii(const char *domain, char out[IDNA_SIZE]);

#endif
