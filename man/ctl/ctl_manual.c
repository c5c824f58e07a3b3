/*
 * Writes pmtactl(8) to standard output: the texts below, and the commands from the table that pmtactl and queued use.
 */
#include "lib/ctl/commands.h"

static const char head[] =
    ".\\\" made by man/ctl/ctl_manual.c from lib/ctl/commands.def\n"
    ".Dd November 21, 2026\n"
    ".Dt PMTACTL 8\n"
    ".Os\n"
    ".Sh NAME\n"
    ".Nm pmtactl ,\n"
    ".Nm pmta\n"
    ".Nd control the Posthaste mail server\n"
    ".Sh SYNOPSIS\n"
    ".Nm\n"
    ".Op Fl c Ar file\n"
    ".Op Fl s Ar socket\n"
    ".Op Fl -json | -xml | -dom\n"
    ".Ar command\n"
    ".Op Ar argument\n"
    ".Sh DESCRIPTION\n"
    ".Nm\n"
    "asks the running server over its control socket.\n"
    "The words of a command may be shortened as long as they stay unambiguous.\n"
    "Queues are written domain/vmta, with the wildcards * and ?; a domain alone stands for all its "
    "queues.\n"
    ".Pp\n"
    "The options are as follows:\n"
    ".Bl -tag -width Ds\n"
    ".It Fl c Ar file\n"
    "To find the server of another configuration than\n"
    ".Pa /etc/pmta/config .\n"
    ".It Fl s Ar socket\n"
    "To name the control socket itself.\n"
    ".It Fl -json , -xml , -dom\n"
    "To have the answer in a form for programs.\n"
    ".El\n"
    ".Pp\n"
    "Root and the server's own user may do everything.\n"
    "Members of the group\n"
    ".Sy pmta\n"
    "may read and operate; those of them who are also in\n"
    ".Sy pmta-read\n"
    "may only read, those who are also in\n"
    ".Sy pmta-admin\n"
    "may do everything.\n"
    "Others may nothing.\n"
    ".Pp\n"
    "With\n"
    ".Fl -dry-run\n"
    "a command that changes something says how much it would change, and changes nothing.\n"
    "Colours and lists that renew themselves are for terminals only, and colours not where\n"
    ".Ev NO_COLOR\n"
    "is set.\n"
    ".Sh COMMANDS\n"
    "What needs no server:\n"
    ".Bl -tag -width Ds\n"
    ".It Ic help\n"
    "the list of commands\n"
    ".It Ic test config Op Ar file\n"
    "check a configuration\n"
    ".It Ic audit\n"
    "prove from spool and accounting files that no recipient was lost: accepted = delivered + "
    "bounced + expired +\n"
    "deleted + queued\n"
    ".It Ic hash-password\n"
    "read a password and print a hash (Argon2id) that may stand for it in <smtp-user>; such a user "
    "cannot log in by "
    "CRAM-MD5\n"
    ".It Ic digest Fl -hmac-sha256 | -siphash Fl -key Ns = Ns Ar text | Fl -hexkey Ns = Ns Ar hex "
    "Ar string\n"
    "print a keyed hash of the string, as PowerMTA does\n"
    ".It Ic completion bash\n"
    "print the completion of commands and options for bash; to have it in a shell:\n"
    ".Dl eval \"$(pmtactl completion bash)\"\n"
    ".It Ic show license , show registration , register , deregister\n"
    "commands of PowerMTA that say here that there is nothing to register\n"
    ".It Ic clear secretscache\n"
    "another of these: there is no cache of secrets\n"
    ".El\n"
    ".Pp\n"
    "What the server answers:\n"
    ".Bl -tag -width Ds\n";

static const char tail[] = ".El\n"
			   ".Sh EXIT STATUS\n"
			   "0 when it was done; 1 when the server or the check said no; 2 when the "
			   "command line is wrong; 69 when the server\n"
			   "is not there; 74 when the answer cannot be written; 75 when the "
			   "process that would do it is away for the moment;\n"
			   "77 when the caller may not.\n"
			   ".Sh EXAMPLES\n"
			   "Why does mail to a domain wait?\n"
			   ".Pp\n"
			   ".Dl $ pmtactl explain example.com\n"
			   ".Pp\n"
			   "Is anything lost?\n"
			   ".Pp\n"
			   ".Dl $ pmtactl audit\n"
			   ".Sh SEE ALSO\n"
			   ".Xr posthaste 7 ,\n"
			   ".Xr queued 8\n";

int
main(void)
{
	static const char *const rights[] = {"", " (operator)", " (administrator)"};

	fputs(head, stdout);
	for (size_t i = 0; i < ctl_n_rows(); i++) {
		const struct ctl_row *r = ctl_row_at(i);
		printf(".It Ic %s%s%s\n%s%s\n", r->words, r->args[0] == '\0' ? "" : " Ar ", r->args,
		    r->help, rights[r->rights]);
	}
	fputs(tail, stdout);
	return 0;
}
