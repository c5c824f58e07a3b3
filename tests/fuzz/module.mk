# the programs whose objects a fuzz target needs beside all of lib
fuzz-dns_fuzz := dnsd
fuzz-session_fuzz := deliverd
fuzz-smtpin_fuzz := injectd
