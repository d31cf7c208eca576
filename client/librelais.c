/*
 * librelais - the public client library, see include/relais.h
 */
#include "config.h"

#include "relais.h"

const char *relais_version(void)
{
	return PACKAGE_VERSION;
}
