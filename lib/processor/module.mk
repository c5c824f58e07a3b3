sources := answer.c complaint.c identity.c message.c patterns.c processor.c report.c
uses := acct conf ipc mail remote spool track
