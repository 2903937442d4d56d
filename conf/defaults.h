/* The files of this folder as text, for posta init. */
#ifndef CONF_DEFAULTS_H
#define CONF_DEFAULTS_H

extern const char default_master_cf[];

#endif
