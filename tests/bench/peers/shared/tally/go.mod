module weir.example/peers/tally

go 1.24
