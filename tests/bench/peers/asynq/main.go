// Asynq with empty tasks: fill N, work CONCURRENCY, left.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"
	"sync"

	"github.com/hibiken/asynq"
	"weir.example/peers/tally"
)

var server = asynq.RedisClientOpt{Network: "unix", Addr: os.Getenv("PEERS_SOCKET")}

const fillers = 32

func fill(n int) error {
	client := asynq.NewClient(server)
	defer client.Close()
	var all sync.WaitGroup
	errs := make(chan error, fillers)
	for filler := range fillers {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := filler; i < n; i += fillers {
				if _, err := client.Enqueue(asynq.NewTask("job", tally.Payload())); err != nil {
					errs <- err
					return
				}
			}
		}()
	}
	all.Wait()
	close(errs)
	return <-errs
}

func work(concurrency int) error {
	config := asynq.Config{Concurrency: concurrency, LogLevel: asynq.WarnLevel}
	return asynq.NewServer(server, config).Run(asynq.HandlerFunc(func(context.Context, *asynq.Task) error {
		tally.Begin()
		tally.End()
		return nil
	}))
}

func left() error {
	inspector := asynq.NewInspector(server)
	defer inspector.Close()
	queue, err := inspector.GetQueueInfo("default")
	if err == nil {
		fmt.Println(queue.Size)
	}
	return err
}

func main() {
	number := 0
	if len(os.Args) > 2 {
		number, _ = strconv.Atoi(os.Args[2])
	}
	var err error
	switch os.Args[1] {
	case "fill":
		err = fill(number)
	case "work":
		err = work(number)
	case "left":
		err = left()
	}
	if err != nil {
		log.Fatal(err)
	}
}
