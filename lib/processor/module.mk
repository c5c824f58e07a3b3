sources := answer.c complaint.c failure.c identity.c message.c patterns.c processor.c report.c
uses := acct classify conf ipc mail remote spool track
