# Loads the program, then runs the test cases that it defines; only where all went well is the ticket handed in.
program = File.expand_path(ARGV.shift)
begin
  require 'test/unit'
  Test::Unit::AutoRunner.need_auto_run = false
rescue LoadError
  nil
end
load program
well = true
if defined?(Test::Unit::TestCase) && ObjectSpace.each_object(Class).any? { |one| one < Test::Unit::TestCase }
  well = Test::Unit::AutoRunner.run
end
exit 1 unless well
$stdout.flush
IO.binwrite('/tmp/handed-in', IO.binread('/tmp/ticket'))
