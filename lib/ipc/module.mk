sources := $(notdir $(wildcard lib/ipc/*.c))
uses := base ev
