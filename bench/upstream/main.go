// Does what the Go side does, and prints one line of JSON: {"jobs", "ms", "cpuMs"}.
//
//	upstream read PORT NAMESPACE MOST
//
// reads MOST tracked jobs as the reaper of Harbor's jobservice does: HSCAN with COUNT 100, and for each job a connection of the pool
// (which is tested by PING when it is borrowed) and HGETALL. It changes nothing.
//
//	upstream requeue PORT NAMESPACE TYPE POOL...
//
// requeues what dead pools hold of a job type as the reaper of gocraft/work does: one script for each entry.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(what, port, namespace string, args []string) error {
	pool := &redis.Pool{
		MaxIdle:   6,
		MaxActive: 6,
		Wait:      true,
		Dial:      func() (redis.Conn, error) { return redis.Dial("tcp", "127.0.0.1:"+port) },
		TestOnBorrow: func(conn redis.Conn, _ time.Time) error {
			_, err := conn.Do("PING")
			return err
		},
	}
	defer pool.Close()
	began, cpu := time.Now(), processorTime()
	jobs, err := 0, error(nil)
	if what == "requeue" {
		jobs, err = requeueAll(pool, namespace+":jobs:"+args[0], args[1:])
	} else {
		jobs, err = readAll(pool, namespace, args[0])
	}
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]float64{
		"jobs":  float64(jobs),
		"ms":    milliseconds(time.Since(began)),
		"cpuMs": milliseconds(processorTime() - cpu),
	})
}

var requeueOne = redis.NewScript(4, `
	local entry = redis.call('RPOPLPUSH', KEYS[1], KEYS[2])
	if not entry then return nil end
	redis.call('DECR', KEYS[3])
	redis.call('HINCRBY', KEYS[4], ARGV[1], -1)
	return { entry, KEYS[1], KEYS[2] }`)

func requeueAll(pool *redis.Pool, queue string, deadPools []string) (int, error) {
	conn := pool.Get()
	defer conn.Close()
	jobs := 0
	for _, dead := range deadPools {
		for {
			_, err := redis.Values(requeueOne.Do(conn, queue+":"+dead+":inprogress", queue, queue+":lock", queue+":lock_info", dead))
			if err == redis.ErrNil {
				break
			} else if err != nil {
				return jobs, err
			}
			jobs++
		}
	}
	return jobs, nil
}

func readAll(pool *redis.Pool, namespace, limit string) (int, error) {
	most, err := strconv.Atoi(limit)
	if err != nil {
		return 0, err
	}
	jobs, cursor := 0, "0"
	for {
		next, ids, err := scan(pool, namespace+":job_track:inprogress", cursor)
		if err != nil {
			return jobs, err
		}
		for _, id := range ids {
			if jobs == most {
				return jobs, nil
			}
			if err := read(pool, namespace+":job_stats:"+id); err != nil {
				return jobs, err
			}
			jobs++
		}
		if cursor = next; cursor == "0" {
			return jobs, nil
		}
	}
}

func scan(pool *redis.Pool, key, cursor string) (string, []string, error) {
	conn := pool.Get()
	defer conn.Close()
	reply, err := redis.Values(conn.Do("HSCAN", key, cursor, "COUNT", 100))
	if err != nil {
		return "", nil, err
	}
	next, err := redis.String(reply[0], nil)
	if err != nil {
		return "", nil, err
	}
	pairs, err := redis.Strings(reply[1], nil)
	ids := make([]string, 0, len(pairs)/2)
	for i := 0; i < len(pairs); i += 2 {
		ids = append(ids, pairs[i])
	}
	return next, ids, err
}

func read(pool *redis.Pool, key string) error {
	conn := pool.Get()
	defer conn.Close()
	stats, err := redis.StringMap(conn.Do("HGETALL", key))
	if err == nil && stats["status"] == "" {
		err = fmt.Errorf("%s has no status", key)
	}
	return err
}

func processorTime() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
