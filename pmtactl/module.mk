sources := $(notdir $(wildcard pmtactl/*.c))
uses := ctl acct spool conf ipc ev net base
program := sbin/pmtactl
