// Command acts does what the conformance suite of drivers asks of a unit: see drivertest.Act.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	arg := ""
	if len(os.Args) > 2 {
		arg = os.Args[2]
	}
	n, _ := strconv.Atoi(arg)
	switch os.Args[1] {
	case "exit":
		fmt.Println("bye")
		os.Exit(n)
	case "die":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "lines":
		for i := range n {
			fmt.Println("line", i+1)
		}
		return
	case "ignore":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ready")
		time.Sleep(time.Hour)
	case "env":
		fmt.Printf("%q\n", os.Getenv(arg))
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	fmt.Println("ready")
	<-stop
}
