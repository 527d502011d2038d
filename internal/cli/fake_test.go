package cli

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// fakeService is what the stacks of the scripts run: `fake MODE [ARG]`.
func fakeService(args []string) int {
	modes := map[string]func(arg string) int{
		"serve":    fakeServe,
		"stubborn": fakeStubborn,
		"lines":    fakeLines,
		"flood":    fakeFlood,
		"hostile":  fakeHostile,
		"confess":  fakeConfess,
		"get":      fakeGet,
		"post":     fakePost,
		"gossip":   fakeGossip,
		"fail":     func(text string) int { fmt.Println(text); return 3 },
	}
	arg := ""
	if len(args) > 1 {
		arg = args[1]
	}
	return modes[args[0]](arg)
}

// fakeServe answers on HTTP_PORT until TERM. With an argument it also writes its process id there.
func fakeServe(pidFile string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if pidFile != "" {
		os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:"+os.Getenv("HTTP_PORT"))
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("listening as", os.Getenv("OTEL_SERVICE_NAME"))
	http.HandleFunc("/call", func(w http.ResponseWriter, _ *http.Request) {
		res, err := http.Get(os.Getenv("API_URL") + "/deep")
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		res.Body.Close()
		fmt.Fprintln(w, "api answers", res.StatusCode)
	})
	srv := &http.Server{Handler: http.DefaultServeMux, ReadHeaderTimeout: time.Second}
	context.AfterFunc(ctx, func() { srv.Close() })
	srv.Serve(ln)
	fmt.Println("bye")
	return 0
}

// fakeGet prints what a URL answers.
func fakeGet(url string) int { return fakeAnswer(http.Get(url)) }

// fakePost posts the JSON behind an address and a space.
func fakePost(arg string) int {
	url, body, _ := strings.Cut(arg, " ")
	return fakeAnswer(http.Post(url, "application/json", strings.NewReader(body)))
}

func fakeAnswer(res *http.Response, err error) int {
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer res.Body.Close()
	if _, err := io.Copy(os.Stdout, res.Body); err != nil || res.StatusCode >= http.StatusInternalServerError {
		return 1
	}
	return 0
}

// fakeStubborn ignores every polite signal.
func fakeStubborn(pidFile string) int {
	signal.Ignore(syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	os.WriteFile(pidFile, []byte(strconv.Itoa(os.Getpid())), 0o600)
	fmt.Println("you cannot stop me")
	select {}
}

// fakeLines prints that many lines and ends.
func fakeLines(count string) int {
	n, _ := strconv.Atoi(count)
	for i := range n {
		fmt.Printf("line %d of %d\n", i+1, n)
	}
	return 0
}

// fakeHostile prints what would drive a terminal.
func fakeHostile(string) int {
	fmt.Print("\x1b]0;owned\x07title\n\x1b[2Jwiped\n\x1b[31mred\x1b[0m\n\xffbad\n")
	return 0
}

// fakeConfess prints everything that it was given, in several forms, then serves or fails. /sick answers
// with it too.
func fakeConfess(then string) int {
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		quoted, _ := json.Marshal(value)
		fmt.Printf("%s=%s\n%s %s %s\n", name, value, quoted, url.QueryEscape(value), base64.StdEncoding.EncodeToString([]byte(value)))
	}
	for _, name := range []string{"A", "B", "C", "PGPASSWORD"} {
		fmt.Printf("%s=%s\n", name, os.Getenv(name))
	}
	if then == "fail" {
		return 3
	}
	http.HandleFunc("/sick", func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "I am given "+os.Getenv("A")+os.Getenv("PGPASSWORD"), http.StatusInternalServerError)
	})
	return fakeServe("")
}
