/*
 * Replays queued against a scripted resolver, scripted connections and a clock that the script turns: the real
 * scheduler over a real spool in a temporary folder, with the daemons around it played by the script. Prints the
 * script with what really happened put in; a replay is right when that is the file itself.
 *
 * usage: queue_replay FILE FOLDER      (FOLDER: empty, for its spool)
 *
 *   # …                           a comment
 *   conf LINE                     a line of the configuration; before `start`
 *   spool                         the spool as an earlier queued left it: what is accepted before `start` lies in it
 *   start
 *   accept NAME SENDER RCPT[,RCPT…] [vmta=V] [job=J] [pool=P] [at=TIME] [notify=N] [prio=N]
 *          [windows=TIME-TIME;…] [untold]  a message comes in; untold: its writer dies before it says so
 *   dns NAME STATUS [PREF=ADDRESS=HOST …]   the answer; address -: the host has none;
 *                                 STATUS: ok nxdomain nodata nullmx servfail timeout noaddr
 *   texts TEXT                    the answer to the last question for texts; - : there are none
 *   fetched MODE MAX-AGE MX…      what posthttp made of the policy that was asked for last
 *   up CONN
 *   down CONN refused|lost|timeout|closed|local [STAGE]
 *   greeting CONN CODE E.E.E TEXT           the connection ends with this reply as greeting
 *   result CONN TXN RCPT delivered|failed|deferred|untried CODE E.E.E TEXT
 *   rcpt-reply CONN TXN RCPT …              the same, said in answer to RCPT
 *   done CONN TXN
 *   deliver CONN TXN RCPT         result delivered, and done
 *   defer CONN TXN RCPT           result deferred with a 451, and done
 *   lie place|id|length|generation|segment|writer|file|kind    injectd tells the last message with that put wrong
 *   told-before MESSAGE | told MESSAGE      of those before `start`: its writer lives, says so, tells it only now
 *   orphan MESSAGE RCPT delivered|failed CODE E.E.E TEXT   of the earlier queued; also pending|untried MESSAGE RCPT
 *   orphans-end                   deliverd has told them all
 *   +TIME                         time passes: 10m, 1h30m, 59s
 *   wall +TIME | wall -TIME       only the wall clock jumps
 *   ttl TIME                      of the answers that follow (5m)
 *   anew … conf LINE … reload     another configuration
 *   gone DAEMON | came DAEMON     injectd, dnsd, deliverd, bounced, acctd dies; a new one is there
 *   acks off|on                   accounting keeps its acknowledgements; on: gives them all
 *   judge nothing|off|bounce|retry TIME [TRIES]   what bounced makes of every failure from now on
 *   reports off|fail|ok           bounced says nothing, that it could not, that it did
 *   pause QUEUE | resume QUEUE | schedule QUEUE | backoff QUEUE on|off
 *   limit accounting N            so many records may be unacknowledged
 *   enable ADDRESS QUEUE          that source again
 *   mode QUEUE                    prints its mode, waits, what is left of its concurrency, its disabled sources
 *   explain QUEUE                what holds it
 *   state QUEUE | counts          prints what queued knows of it, in all
 *   ! TEXT                        (expected) what queued says to the others, with the time since `start`
 *
 * Accounting and reports are acknowledged at once unless the script says otherwise.
 */
#include <stdio.h>

#include "tests/replay/queue_replay.h"

int
main(int argc, char **argv)
{
	char text[4096];
	FILE *f = argc == 3 ? fopen(argv[1], "r") : NULL;

	if (f == NULL)
		replay_die("usage: queue_replay FILE FOLDER");
	replay_begin(argv[2]);
	while (fgets(text, sizeof text, f) != NULL) {
		struct str line = str_of(text);
		if (line.len > 0 && line.p[line.len - 1] == '\n')
			line.len--;
		replay.line++;
		if (line.len > 0 && line.p[0] == '!')
			continue;
		printf("%.*s\n", STR_ARG(line));
		if (line.len > 0 && line.p[0] != '#')
			replay_run(line);
	}
	fclose(f);
	return 0;
}
