sources := $(notdir $(wildcard lib/command/*.c))
uses := conf ipc ev
