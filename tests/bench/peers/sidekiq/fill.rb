# Puts N jobs into the queue.
require_relative 'job'

payload = { 'text' => 'x' * (256 - '{"text":""}'.length) }
ARGV.fetch(0).to_i.times.each_slice(1000) do |slice|
  Sidekiq::Client.push_bulk('class' => Job, 'args' => slice.map { [payload] })
end
