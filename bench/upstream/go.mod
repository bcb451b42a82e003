module upstream

go 1.23

require github.com/gomodule/redigo v1.9.3
