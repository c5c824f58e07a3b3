sources := ev_timer.c ev_libevent.c
uses := base
