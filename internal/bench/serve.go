package main

import (
	"bufio"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// serve is the trivial service: it answers on $HTTP_PORT once it is ready, and may print lines first.
func serve(args []string) {
	fs := flag.NewFlagSet("serve", flag.ExitOnError)
	delay := fs.Duration("delay", 0, "before the port opens")
	lines := fs.Int("lines", 0, "lines to print before the port opens")
	port := fs.String("port", os.Getenv("HTTP_PORT"), "port on 127.0.0.1")
	_ = fs.Parse(args)

	time.Sleep(*delay)
	printLines(*lines)
	ln, err := net.Listen("tcp", "127.0.0.1:"+*port)
	if err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
	srv := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() { <-stop; os.Exit(0) }()
	fmt.Fprintln(os.Stderr, "serve:", srv.Serve(ln))
}

func printLines(n int) {
	w := bufio.NewWriterSize(os.Stdout, 64<<10)
	for i := range n {
		fmt.Fprintf(w, "line %07d of a service that has much to say about the orders that it took today\n", i)
	}
	w.Flush()
}
