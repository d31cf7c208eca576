/*
 * settings_hints - what the user says that replies mean
 *
 * Thread: the main one, while settings are made.
 */
#ifndef RELAIS_SETTINGS_HINTS_H
#define RELAIS_SETTINGS_HINTS_H

#include "settings.h"

/* Gives each relay the rules that hold for it; once the relays are there. */
void settings_hints_complete(struct settings *settings);

void hint_rule_done(struct hint_rule *hint);

#endif
