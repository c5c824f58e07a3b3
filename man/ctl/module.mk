# pmtactl(8) is written by a program that has the table of commands
sources := ctl_manual.c
uses := base ctl
program := gen/ctl-manual

all: $(B)/man/pmtactl.8
$(B)/man/pmtactl.8: $(B)/gen/ctl-manual
	@mkdir -p $(@D)
	$< >$@.new && mv $@.new $@
