sources := $(notdir $(wildcard lib/mail/*.c))
uses := base smtp
