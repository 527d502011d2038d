package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

	"msctl.dev/msctl/internal/bench/proc"
)

// stood is what a crowd found.
type stood struct {
	Served  int // said a word, and heard the answer
	Refused int // were reset
	Lost    int // anything else

	Alone, Among [2]float64 // p50 and p99 of one there and back, in seconds

	memory float64
}

const (
	standers  = 64   // that open connections at once
	roundTrip = 5000 // on one connection
	answersIn = 20 * time.Second
)

// stand opens so many connections, has each say a word, prints what came of it, and keeps them open.
func stand(protocol, addr, many string) {
	n, err := strconv.Atoi(many)
	if err == nil {
		err = standing(words[protocol], addr, n)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "edges:", err)
		os.Exit(1)
	}
}

// words are how one says a word and hears the answer.
var words = map[string]func(net.Conn) error{
	"http": func(c net.Conn) error {
		if _, err := c.Write(request); err != nil {
			return err
		}
		return answer(bufio.NewReader(c))
	},
	"tcp": func(c net.Conn) error {
		b := make([]byte, 64)
		if _, err := c.Write(b); err != nil {
			return err
		}
		_, err := io.ReadFull(c, b)
		return err
	},
}

func standing(word func(net.Conn) error, addr string, n int) error {
	var s stood
	first, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	if s.Alone, err = trips(first, word); err != nil {
		return err
	}
	var conns []net.Conn
	var mu sync.Mutex
	var all sync.WaitGroup
	for i := range standers {
		all.Go(func() {
			for range (n - 1 + i) / standers {
				c, err := join(addr, word)
				mu.Lock()
				conns = append(conns, c)
				s.count(err)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	s.count(nil) // the first
	if s.Among, err = trips(first, word); err != nil {
		return err
	}
	line, err := json.Marshal(s)
	if err != nil {
		return err
	}
	fmt.Println(string(line))
	proc.Wait()
	runtime.KeepAlive(append(conns, first))
	return nil
}

// join opens a connection that has said its word.
func join(addr string, word func(net.Conn) error) (net.Conn, error) {
	c, err := net.DialTimeout("tcp", addr, answersIn)
	if err != nil {
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(answersIn))
	if err := word(c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (s *stood) count(err error) {
	switch {
	case err == nil:
		s.Served++
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		s.Refused++
	default:
		s.Lost++
		if s.Lost == 1 {
			fmt.Fprintln(os.Stderr, "edges:", err)
		}
	}
}

// trips returns the median and the 99th percentile of many words on one connection.
func trips(c net.Conn, word func(net.Conn) error) (figures [2]float64, err error) {
	_ = c.SetDeadline(time.Now().Add(answersIn))
	took := make([]float64, 0, roundTrip)
	for range roundTrip {
		began := time.Now()
		if err := word(c); err != nil {
			return figures, err
		}
		took = append(took, time.Since(began).Seconds())
	}
	slices.Sort(took)
	return [2]float64{took[len(took)/2], took[len(took)*99/100]}, nil
}
