sources := audit.c audit_records.c audit_verdict.c cat.c client.c completion.c connect.c digest.c hash.c main.c options.c suppression.c text.c
uses := ctl acct spool conf ipc ev net base
program := sbin/pmtactl
