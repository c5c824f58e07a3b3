sources := $(notdir $(wildcard pmtactl/*.c))
uses := ctl spool conf ipc net smtp
program := sbin/pmtactl
