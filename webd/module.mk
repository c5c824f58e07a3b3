# the pages are part of the program: it has no directory to read them from
sources := $(notdir $(wildcard webd/*.c))
uses := auth base conf ctl daemon ev ipc net stats tls
program := libexec/posthaste/webd

$(B)/gen/webd/pages.inc: scripts/pages.py $(wildcard webd/ui/*)
	@mkdir -p $(@D)
	/usr/bin/python3 scripts/pages.py webd/ui >$@.new && mv $@.new $@
$(B)/obj/webd/pages.o: $(B)/gen/webd/pages.inc
