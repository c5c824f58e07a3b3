/*
 * Makes of a password what may stand in <smtp-user>: a hash by Argon2id, from which nobody can log in elsewhere. The
 * password is asked for at the terminal, or is the first line of standard input; never an argument, which others see.
 */
#ifndef PH_PMTACTL_HASH_H
#define PH_PMTACTL_HASH_H

/* Exit status. */
int hash_password(void);

#endif
